"""In every operation that merges files, Git runs the drivers that `tandem setup-git` installs."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import schemas
from sharing.merge.small import ROOT, Repository, create, outputs

from tandem import cli
from tandem.core.errors import StageError
from tandem.sharing.merge import git_setup
from tandem.workspace import doctor

OURS = {"a": "ours", "b": "1", "c": "ours", "d": "1", "report": "ours"}
THEIRS = {"a": "1", "b": "theirs", "c": "theirs", "d": "1", "report": "theirs"}
MERGED = {"a": "ours", "b": "theirs", "c": "stale", "d": "1", "report": "stale"}


def branches(repository: Repository) -> None:
    """Create the branches `theirs` and `ours`; `ours` is then checked out."""
    repository.branch("theirs", **THEIRS)
    repository.branch("ours", **OURS)


def check(repository: Repository, kept: str = "ours") -> None:
    """Check that the entries are merged, and that each stage's files match its entry."""
    assert repository.versions() == MERGED
    assert repository.conflicts() == []
    for stage, version in MERGED.items():
        version = kept if version == "stale" else version
        assert repository.written(stage) == [*outputs(stage, version).values()]


def test_a_merge(set_up: Repository) -> None:
    branches(set_up)
    done = set_up.git("merge", "--no-edit", "theirs")
    check(set_up)
    assert done.stderr.splitlines() == [
        "tandem: dvc.lock merged by stage: 1 entry from their side; "
        "stale stages, changed on both sides: c, report"
    ]
    assert set_up.git("status", "--porcelain").stdout == ""


def test_a_rebase_and_a_cherry_pick(set_up: Repository) -> None:
    branches(set_up)
    set_up.git("checkout", "-q", "-b", "picked")
    set_up.git("cherry-pick", "theirs")
    check(set_up)
    set_up.git("checkout", "-q", "theirs")
    set_up.git("rebase", "-q", "ours")  # in a rebase, our side is the upstream branch
    check(set_up)


def test_a_rebase_of_several_commits(set_up: Repository) -> None:
    """A stage that became stale during the rebase stays stale, whatever later commits change."""
    set_up.branch("theirs", **THEIRS)
    set_up.commit(**THEIRS | {"c": "later"})
    set_up.commit(**THEIRS | {"c": "later", "d": "later"})
    set_up.branch("ours", **OURS)
    set_up.git("checkout", "-q", "theirs")
    set_up.git("rebase", "-q", "ours")
    assert set_up.versions() == MERGED | {"d": "later"}


def test_a_revert_and_a_popped_stash(set_up: Repository) -> None:
    set_up.commit(**OURS)
    set_up.commit(**OURS | {"d": "later"})
    set_up.git("revert", "--no-edit", "HEAD~1")
    assert set_up.versions() == {"a": "1", "b": "1", "c": "1", "d": "later", "report": "1"}
    set_up.write({"a": "stashed", "b": "1", "c": "1", "d": "later", "report": "1"})
    set_up.git("stash")
    set_up.commit(a="1", b="new", c="1", d="later", report="1")
    set_up.git("stash", "pop")
    assert set_up.versions() == {"a": "stashed", "b": "new", "c": "1", "d": "later", "report": "1"}


def test_branches_that_were_merged_both_ways(set_up: Repository) -> None:
    """A criss-cross merge has two merge bases; Git merges these first, with the driver."""
    branches(set_up)
    set_up.git("branch", "mine")
    set_up.git("merge", "--no-edit", "theirs")
    set_up.commit(**OURS | {"b": "theirs", "c": "run", "report": "run"})
    set_up.git("checkout", "-q", "theirs")
    set_up.git("merge", "--no-edit", "mine")
    set_up.commit(**THEIRS | {"a": "ours", "c": "rerun", "d": "rerun", "report": "rerun"})
    set_up.git("checkout", "-q", "ours")
    set_up.git("merge", "--no-edit", "theirs")
    assert set_up.versions() == MERGED | {"d": "rerun"}


def test_stages_that_one_side_added_or_removed(set_up: Repository) -> None:
    set_up.branch("theirs", a="1", b="1", c="1", d="1", new="1", report="theirs")
    set_up.branch("ours", b="1", c="1", d="1", report="ours")
    set_up.git("merge", "--no-edit", "theirs")
    expected = {"b": "1", "c": "1", "d": "1", "report": "stale", "new": "1"}
    assert set_up.versions() == expected
    assert set_up.written("a") == ["", ""]
    assert set_up.written("new") == [*outputs("new", "1").values()]


def test_a_project_in_a_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = create(tmp_path, "team/project", a="1", b="1", c="1", d="1", report="1")
    monkeypatch.chdir(repository.project)
    assert git_setup.set_up() == []
    branches(repository)
    done = repository.git("merge", "--no-edit", "theirs")
    check(repository)
    assert done.stderr.startswith("tandem: team/project/dvc.lock merged by stage")


def test_a_worktree(set_up: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    branches(set_up)
    folder = tmp_path_factory.mktemp("worktrees") / "second"
    set_up.git("worktree", "add", "-q", "-b", "second", str(folder), "ours")
    second = Repository(folder)
    second.git("merge", "--no-edit", "theirs")
    check(second)
    assert set_up.versions() == OURS


def test_a_damaged_lock_is_a_conflict_with_a_line(set_up: Repository) -> None:
    set_up.branch("theirs", **THEIRS)
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  a: {cmd: [\n")
    set_up.commit()
    set_up.branch("ours", **OURS)
    before = Path("dvc.lock").read_text()
    done = set_up.git("merge", "--no-edit", "theirs", check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("tandem")]
    assert line.startswith("tandem: their version of dvc.lock is damaged")
    assert line.endswith("`git checkout --ours dvc.lock`, and run the pipeline")
    assert done.returncode == 1 and set_up.conflicts() == ["dvc.lock"]
    assert Path("dvc.lock").read_text() == before


def test_a_driver_that_is_gone_is_a_conflict(set_up: Repository) -> None:
    branches(set_up)
    set_up.git("config", "merge.tandem-lock.driver", "/nowhere/python %O %A %B %P")
    assert set_up.git("merge", "--no-edit", "theirs", check=False).returncode == 1
    assert set_up.conflicts() == ["dvc.lock"]
    assert cli.main(["merge-lock"], in_child=True) == 0
    check(set_up)


def test_a_path_with_special_characters(
    start: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git runs a driver's command in a shell, after replacing placeholders such as `%O`."""
    python = tmp_path / "100%O 'venv'" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
    repository = Repository(tmp_path / "it's a folder")
    shutil.copytree(start.root, repository.root)
    monkeypatch.chdir(repository.root)
    git_setup.set_up()
    assert git_setup.problem() is None
    branches(repository)
    repository.git("merge", "--no-edit", "theirs")
    check(repository)


def test_the_command(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["setup-git", "--json"], in_child=True) == 0
    answer = schemas.valid("setup-git", capsys.readouterr().out)
    assert answer["attributes"] == []
    for driver, command in answer["drivers"].items():
        assert repository.git("config", f"merge.{driver}.driver").stdout.rstrip("\n") == command
    assert cli.main(["setup-git"], in_child=True) == 0
    assert capsys.readouterr().out == (
        "Git merges dvc.lock by stage in this clone and its worktrees\n"
    )


def test_attributes_that_are_missing_are_added(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = "* text=auto\n/reports/summary.json merge=tandem-output"
    Path(".gitattributes").write_text(mine)
    assert cli.main(["setup-git"], in_child=True) == 0
    assert "4 lines added to .gitattributes: commit the file" in capsys.readouterr().out
    text = Path(".gitattributes").read_text()
    assert text.startswith(mine + "\n")
    assert "dvc.lock merge=tandem-lock\n" in text and text.count("merge=tandem-output") == 4
    assert git_setup.set_up() == [] and Path(".gitattributes").read_text() == text
    repository.git("rm", "-q", "-f", ".gitattributes")
    assert len(git_setup.set_up()) == 5


def test_another_driver_is_not_overridden(repository: Repository) -> None:
    Path(".gitattributes").write_text("dvc.lock merge=union\n")
    with pytest.raises(StageError, match=r"sets merge=union for dvc\.lock: remove that"):
        git_setup.set_up()
    assert Path(".gitattributes").read_text() == "dvc.lock merge=union\n"
    assert not repository.git("config", "--get-regexp", "merge", check=False).stdout


def test_outside_a_repository_git_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    for command in ("setup-git", "merge-lock"):
        assert cli.main([command], in_child=True) == 2
        assert "not a git repository" in capsys.readouterr().err


def test_doctor_names_a_driver_that_is_not_set_up(repository: Repository) -> None:
    (note,) = [message for state, message in doctor.git() if state == "note"]
    assert note == (
        "Git cannot merge dvc.lock by stage, because the driver is not set up in this clone: "
        "run `tandem setup-git`"
    )
    git_setup.set_up()
    assert [state for state, _ in doctor.git()] == ["ok"]
    repository.git(
        "config", "merge.tandem-lock.driver", shlex.join(["/no where/python", "-m", "x"])
    )
    assert "by stage, because /no where/python is missing: run" in str(git_setup.problem())
    repository.git("rm", "-q", "-f", ".gitattributes")
    assert git_setup.problem() is None


def test_the_driver_runs_no_code_of_the_project(set_up: Repository) -> None:
    """Git runs the driver in the repository's top folder, whose files must not shadow modules."""
    branches(set_up)
    Path("json.py").write_text("raise SystemExit(3)\n")
    Path("tandem").mkdir()
    Path("tandem/__init__.py").write_text("raise SystemExit(3)\n")
    set_up.git("merge", "--no-edit", "theirs")
    check(set_up)


def test_this_repository_names_the_drivers() -> None:
    for pattern, driver in git_setup.NAMED.items():
        path = pattern.lstrip("/").replace("**/*", "train/intent")
        command = ["git", "check-attr", "merge", "--", path]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout == f"{path}: merge: {driver}\n"
