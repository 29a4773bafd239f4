"""The lock of a run, and repairs after a run that was killed."""

from pathlib import Path

import pytest

from tandem.core.errors import StageError
from tandem.engines import locks

COMPLETE = "schema: '2.0'\nstages:\n  a:\n    cmd: b\n"
INCOMPLETE = ["", COMPLETE[:-3], "schema: '2.0'\nstages:\n  a:\n  - ["]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_only_one_snakemake_executes_jobs() -> None:
    lock = locks.acquire_run_lock()
    with pytest.raises(StageError, match="another snakemake is running in this folder"):
        locks.acquire_run_lock()
    lock.close()
    locks.acquire_run_lock().close()


def test_marks_are_cleared_unless_another_snakemake_runs() -> None:
    mark = locks.INCOMPLETE / "below" / "mark"
    mark.parent.mkdir(parents=True)
    mark.touch()
    with locks.acquire_run_lock():
        locks.clear_incomplete_marks()
    assert mark.exists()
    locks.clear_incomplete_marks()
    assert not mark.exists()


@pytest.mark.parametrize("text", INCOMPLETE)
def test_an_incomplete_dvc_lock_is_restored(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = folder / "dvc.lock"
    assert locks.is_complete(COMPLETE) and not locks.is_complete(text)
    lock.write_text(COMPLETE)
    locks.back_up_dvc_lock()
    locks.restore_dvc_lock()
    assert capsys.readouterr().err == ""
    lock.write_text(text)
    locks.restore_dvc_lock()
    assert lock.read_text() == COMPLETE
    assert "restored from a copy" in capsys.readouterr().err


def test_an_incomplete_dvc_lock_without_a_copy_is_removed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dvc.lock").write_text("stages: {a")
    locks.restore_dvc_lock()
    assert not (folder / "dvc.lock").exists() and "removed" in capsys.readouterr().err


def test_conflict_markers_are_left_to_the_user(folder: Path) -> None:
    text = f"<<<<<<< ours\n{COMPLETE}"
    (folder / "dvc.lock").write_text(text)
    with pytest.raises(StageError, match="run `tandem merge-lock`"):
        locks.restore_dvc_lock()
    assert (folder / "dvc.lock").read_text() == text
