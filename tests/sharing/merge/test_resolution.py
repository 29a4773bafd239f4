"""`tandem merge-lock` resolves conflicts and repeats merges with the same result as the driver."""

from collections.abc import Callable
from pathlib import Path

import pytest
import schemas
from sharing.merge.small import Repository, create, outputs
from sharing.merge.test_driver import OURS, THEIRS, branches, check

from tandem import cli
from tandem.core.errors import StageError
from tandem.sharing.merge import git_setup
from tandem.sharing.merge.resolution import resolve


def merge(repository: Repository) -> None:
    branches(repository)
    repository.git("merge", "--no-edit", "theirs", check=False)


def rebase(repository: Repository) -> None:
    branches(repository)
    repository.git("checkout", "-q", "theirs")
    repository.git("rebase", "-q", "ours", check=False)


def cherry_pick(repository: Repository) -> None:
    branches(repository)
    repository.git("cherry-pick", "theirs", check=False)


def cherry_pick_uncommitted(repository: Repository) -> None:
    branches(repository)
    repository.git("cherry-pick", "--no-commit", "theirs", check=False)


def stash(repository: Repository) -> None:
    repository.write(THEIRS)
    repository.git("stash")
    repository.commit(**OURS)
    repository.git("stash", "pop", check=False)


def patch(repository: Repository) -> None:
    branches(repository)
    text = repository.git("format-patch", "--stdout", "-1", "theirs").stdout
    Path(".git/mail").write_text(text)
    repository.git("am", "--quiet", "--3way", ".git/mail", check=False)


@pytest.mark.parametrize(
    "integrate", [merge, rebase, cherry_pick, cherry_pick_uncommitted, stash, patch]
)
def test_conflicts_are_resolved(
    integrate: Callable[[Repository], None], repository: Repository
) -> None:
    integrate(repository)
    assert "dvc.lock" in repository.conflicts()
    assert "reports/lineage/c.json" in repository.conflicts()
    done = resolve()
    assert done is not None and done.left == []
    assert done.locks["dvc.lock"].theirs == ["b"]
    assert done.locks["dvc.lock"].stale == ["c", "report"]
    check(repository)
    assert repository.git("diff", "--name-only").stdout == ""  # all changes are in the index


def test_a_rebase_continues_and_is_resolved_again(repository: Repository) -> None:
    repository.branch("theirs", **THEIRS)
    repository.commit(**THEIRS | {"c": "later", "report": "later"})
    repository.branch("ours", **OURS)
    repository.git("checkout", "-q", "theirs")
    repository.git("rebase", "-q", "ours", check=False)
    for _ in range(2):
        assert resolve() is not None
        repository.git("-c", "core.editor=true", "rebase", "--continue", check=False)
    check(repository)
    assert (
        len(repository.git("log", "--format=%h", "ours..").stdout.split()) == 1
    )  # the other commit became empty and was dropped


def test_a_revert(repository: Repository) -> None:
    repository.commit(**OURS)
    repository.commit(**OURS | {"c": "later", "d": "later"})
    repository.git("revert", "--no-edit", "HEAD~1", check=False)
    assert repository.conflicts()
    resolve()
    assert repository.versions() == {
        "a": "1", "b": "1", "c": "stale", "d": "later", "report": "1"
    }  # fmt: skip
    assert repository.written("c") == [*outputs("c", "later").values()]


def test_a_merge_commit_of_a_host_is_merged_again(repository: Repository) -> None:
    """Someone has resolved the conflicts by hand in a browser, mixing lines of both sides."""
    merge(repository)
    for name in repository.conflicts():
        lines = Path(name).read_text().splitlines(keepends=True)
        text = "".join(line for line in lines if line[:7] not in ("<<<<<<<", "=======", ">>>>>>>"))
        Path(name).write_text(text)
    repository.commit()
    assert cli.main(["merge-lock"], in_child=True) == 0
    check(repository)
    assert set(repository.git("diff", "--cached", "--name-only", "HEAD").stdout.split()) == {
        "dvc.lock",
        *(name for stage in ("c", "report") for name in outputs(stage, "x")),
    }


def test_markers_in_a_merge_commit(repository: Repository) -> None:
    merge(repository)
    repository.commit()
    assert "<<<<<<<" in Path("dvc.lock").read_text()
    resolve()
    check(repository)


def test_a_merge_by_the_driver_leaves_nothing_to_do(
    set_up: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    merge(set_up)
    for _ in range(2):
        assert cli.main(["merge-lock", "--json"], in_child=True) == 0
        answer = schemas.valid("merge-lock", capsys.readouterr().out)
        assert answer == {"locks": {}, "files": [], "left": []}
    assert set_up.git("status", "--porcelain").stdout == ""


def test_the_answers(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["merge-lock"], in_child=True) == 0
    expected = "nothing to merge: no file is in conflict, and HEAD is not a merge commit\n"
    assert capsys.readouterr().out == expected
    branches(repository)
    Path("params.yaml").write_text("rate: 2\n")
    repository.commit()
    repository.git("checkout", "-q", "theirs")
    Path("params.yaml").write_text("rate: 3\n")
    repository.commit()
    repository.git("merge", "--no-edit", "ours", check=False)
    assert cli.main(["merge-lock"], in_child=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        "dvc.lock merged by stage: 1 entry from their side; "
        "stale stages, changed on both sides: c, report",
        "resolved 4 files written by stages, in agreement with dvc.lock",
        "still in conflict, because no stage writes them: params.yaml",
    ]
    assert repository.conflicts() == ["params.yaml"]
    assert "<<<<<<<" in Path("params.yaml").read_text()
    assert cli.main(["merge-lock", "--json"], in_child=True) == 0
    answer = schemas.valid("merge-lock", capsys.readouterr().out)
    assert answer == {"locks": {}, "files": [], "left": ["params.yaml"]}


def test_a_stage_that_one_side_removed_and_the_other_changed(set_up: Repository) -> None:
    """Git runs no driver for a file that one side removed, but reports a conflict."""
    set_up.branch("theirs", **THEIRS)
    set_up.branch("ours", a="1", c="1", d="1", report="ours")  # b was removed
    set_up.git("merge", "--no-edit", "theirs", check=False)
    assert set_up.conflicts() == [*outputs("b", "1")]
    done = resolve()
    assert done is not None and done.locks == {} and done.files == [*outputs("b", "1")]
    assert set_up.versions() == {"a": "1", "c": "theirs", "d": "1", "report": "stale"}
    assert set_up.written("b") == ["", ""] and set_up.conflicts() == []


def test_a_file_that_git_merged_as_text_becomes_ours(repository: Repository) -> None:
    """Each side changed different lines, so no run of the stage has written the merged text."""
    lines = [f"{number}\n" for number in range(30)]
    file = Path("reports/lineage/c.json")

    def written(version: str, *edited: int) -> None:
        repository.write({"c": version})
        text = "".join("edited\n" if n in edited else line for n, line in enumerate(lines))
        file.write_text(text)
        repository.commit()

    written("1")
    repository.git("checkout", "-qb", "theirs")
    written("theirs", 25)
    repository.git("checkout", "-qb", "ours", "HEAD~1")
    written("ours", 3)
    repository.git("merge", "--no-edit", "theirs", check=False)
    assert file.read_text().count("edited") == 2
    done = resolve()
    assert done is not None and str(file) in done.files
    assert file.read_text().count("edited") == 1 and file.read_text().startswith("0\n1\n2\nedited")


def test_outputs_elsewhere_are_those_that_dvc_lock_names(repository: Repository) -> None:
    """A stage that the user added writes a file, tracked by Git, outside of the usual folders."""
    for side in ("theirs", "ours"):
        repository.git("checkout", "-q", "-B", side, "main")
        repository.write({"own": side})
        text = Path("dvc.lock").read_text().replace("reports/lineage/own.json", "own/score.txt")
        Path("dvc.lock").write_text(text)
        Path("own").mkdir(exist_ok=True)
        Path("own/score.txt").write_text(outputs("own", side)["reports/lineage/own.json"])
        for name in ("own/notes.txt", "reports/metrics/notes.md"):
            Path(name).write_text(side)
        repository.commit()
    repository.git("merge", "--no-edit", "theirs", check=False)
    done = resolve()
    assert done is not None and "own/score.txt" in done.files
    assert done.left == ["own/notes.txt", "reports/metrics/notes.md"]


def test_a_project_in_a_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = create(tmp_path, "team/project", a="1", b="1", c="1", d="1", report="1")
    monkeypatch.chdir(repository.project)
    merge(repository)
    assert resolve() is not None
    check(repository)
    repository.commit()
    repository.branch("other", **OURS)
    merge(repository)
    repository.commit()
    assert resolve() is not None
    check(repository)


def test_a_worktree(
    repository: Repository,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branches(repository)
    folder = tmp_path_factory.mktemp("worktrees") / "second"
    repository.git("worktree", "add", "-q", "-b", "second", str(folder), "ours")
    monkeypatch.chdir(folder)
    second = Repository(folder)
    second.git("merge", "--no-edit", "theirs", check=False)
    resolve()
    check(second)


def test_an_edited_file_is_kept(repository: Repository) -> None:
    merge(repository)
    before = {name: Path(name).read_text() for name in repository.conflicts()}
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    with pytest.raises(StageError) as error:
        resolve()
    assert str(error.value) == (
        "dvc.lock has been edited since the merge: keep the edit with `git add dvc.lock`, "
        "or discard it with `git checkout --merge -- dvc.lock`; then run `tandem merge-lock` again"
    )
    assert repository.conflicts() == [*before]
    repository.git("checkout", "--merge", "--", "dvc.lock")
    assert {name: Path(name).read_text().count("\n") for name in before} == {
        name: text.count("\n") for name, text in before.items()
    }
    resolve()
    check(repository)


def test_an_edit_after_a_merge_commit_is_kept(repository: Repository) -> None:
    merge(repository)
    repository.commit()
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    for _ in range(2):
        with pytest.raises(StageError, match="edited since the merge: commit or stash the edit"):
            resolve()
        repository.git("add", "dvc.lock")
    assert Path("dvc.lock").read_text() == "schema: '2.0'\nstages: {}\n"


def test_a_damaged_side_is_reported_in_one_line(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.branch("theirs", **THEIRS)
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n  a: {cmd: [\n")
    repository.commit()
    repository.branch("ours", **OURS)
    repository.git("merge", "--no-edit", "theirs", check=False)
    before = repository.conflicts()
    assert cli.main(["merge-lock"], in_child=True) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tandem: their version of dvc.lock is damaged")
    assert repository.conflicts() == before
    repository.git("checkout", "--ours", "dvc.lock")  # the command that the error message suggests
    repository.git("add", "dvc.lock")
    assert cli.main(["merge-lock"], in_child=True) == 0
    assert repository.versions() == OURS and repository.conflicts() == []
    assert repository.written("c") == [*outputs("c", "ours").values()]


def test_markers_without_a_conflict_are_reported_in_one_line(repository: Repository) -> None:
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(f"<<<<<<< mine\n{text}")
    repository.commit()
    with pytest.raises(StageError, match="has merge conflict markers, and Git reports no conflict"):
        resolve()


def test_a_running_engine_is_waited_for(repository: Repository) -> None:
    from tandem.engines import locks

    merge(repository)
    with locks.acquire_run_lock(), pytest.raises(StageError, match="another snakemake is running"):
        resolve()


def test_unrelated_histories_and_octopus_merges(repository: Repository) -> None:
    repository.git("checkout", "-q", "--orphan", "theirs")
    repository.commit(**THEIRS)
    repository.git("checkout", "-q", "main")
    repository.git("merge", "--no-edit", "--allow-unrelated-histories", "-s", "ours", "theirs")
    resolve()
    assert repository.versions() == {
        "a": "1", "b": "stale", "c": "stale", "d": "1", "report": "stale"
    }  # fmt: skip
    repository.git("reset", "-q", "--hard", "main~1")
    for name in "xyz":
        repository.git("checkout", "-q", "-b", name, "main")
        Path(name).touch()
        repository.commit()
    repository.git("merge", "--no-edit", "x", "y")
    with pytest.raises(StageError, match="merges more than two branches"):
        resolve()


def test_a_link_in_the_place_of_a_file_is_left(repository: Repository) -> None:
    for side in ("theirs", "ours"):
        repository.git("checkout", "-q", "-B", side, "main")
        Path("reports/lineage/a.json").unlink()
        Path("reports/lineage/a.json").symlink_to(side)
        repository.commit()
    repository.git("merge", "--no-edit", "theirs", check=False)
    resolve()
    assert repository.conflicts() == ["reports/lineage/a.json"]


def test_the_driver_and_the_command_agree(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    merge(repository)
    resolve()
    lock = Path("dvc.lock").read_bytes()
    repository.git("merge", "--abort")
    git_setup.set_up()
    repository.git("merge", "--no-edit", "theirs")
    assert Path("dvc.lock").read_bytes() == lock
