import errno
from pathlib import Path

import pytest

from tandem.core import io
from tandem.core.errors import StageError


def test_outputs_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "deep" / "metrics.json"
    folder.mkdir()
    (folder / "old").touch()
    with io.writing(folder, file) as (new_folder, new_file):
        (new_folder / "new").touch()
        io.write_json(new_file, {"b": 1, "a": "ä"})
        assert (folder / "old").exists() and not file.exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert file.read_text() == '{\n  "a": "ä",\n  "b": 1\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_the_old_outputs(error: type[BaseException], tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text("old")
    with pytest.raises(error), io.writing(file) as (partial,):
        partial.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]
    assert file.read_text() == "old"


def test_what_a_killed_run_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".partial-folder").mkdir()
    (tmp_path / ".partial-folder" / "rest").touch()
    with io.writing(tmp_path / "folder") as (partial,):
        assert not list(partial.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x"),
        OSError("[Errno 28] Error writing bytes. Detail: No space left on device"),
    ],
)
def test_a_full_disk_is_one_line(error: OSError, tmp_path: Path) -> None:
    with (
        pytest.raises(StageError, match=r"cannot write .*rows\.json: the disk is full; make room"),
        io.writing(tmp_path / "rows.json"),
    ):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_missing_input_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"x\.json is missing: run `dvc repro` or `snakemake`"):
        io.read_json(tmp_path / "x.json")
