"""Read revisions of a small repository with Git's own commands."""

from pathlib import Path

import pytest

from tandem.core.errors import LineageError
from tandem.lineage import revisions
from tandem.lineage.revisions import git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    (root / "data").mkdir(parents=True)
    monkeypatch.chdir(root)
    (tmp_path / "secret").write_text("outside")
    Path("data/straße.txt").write_text("eins\n")
    Path("link").symlink_to(tmp_path / "secret")
    git("init", "--quiet")
    git("config", "user.email", "test@localhost")
    git("config", "user.name", "test")
    commit("first")
    return root


def commit(title: str) -> None:
    git("add", "--all")
    git("commit", "--quiet", "--message", title)


def test_a_revision_has_the_committed_files(repository: Path) -> None:
    Path("data/straße.txt").write_text("zwei\n")
    commit("second")
    with revisions.files_of("HEAD~1") as folder:
        assert (folder / "data/straße.txt").read_text() == "eins\n"
    assert not folder.exists()


def test_links_are_not_followed(repository: Path) -> None:
    with revisions.files_of("HEAD") as folder:
        assert (folder / "link").read_text() == str(repository.parent / "secret")


def test_an_unknown_revision_is_reported_in_one_line(repository: Path) -> None:
    missing = pytest.raises(LineageError, match="no revision 'nowhere'")
    with missing, revisions.files_of("nowhere"):
        pass


def test_commits_that_changed_a_file(repository: Path) -> None:
    Path("data/straße.txt").write_text("zwei\n")
    commit("second")
    Path("other").write_text("")
    commit("third")
    (changed,) = revisions.commits_between("HEAD~2", "HEAD", "data")
    assert changed.title == "second" and str(changed).startswith(changed.digest[:10])
