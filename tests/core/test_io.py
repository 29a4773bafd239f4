import errno
import json
from io import BytesIO
from pathlib import Path

import pytest
from dvc.utils.serialize import parse_yaml
from ruamel.yaml.error import YAMLError

from tandem.core import io
from tandem.core.errors import StageError

ROOT = Path(__file__).parents[2]


def test_outputs_are_written_completely_or_not_at_all(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "deep" / "metrics.json"
    folder.mkdir()
    (folder / "old").touch()
    with io.atomic_outputs(folder, file) as (new_folder, new_file):
        (new_folder / "new").touch()
        io.write_json(new_file, {"b": 1, "a": "ä"})
        assert (folder / "old").exists() and not file.exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert file.read_text() == '{\n  "a": "ä",\n  "b": 1\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_keeps_the_old_outputs(error: type[BaseException], tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text("old")
    with pytest.raises(error), io.atomic_outputs(file) as (partial,):
        partial.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]
    assert file.read_text() == "old"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".partial-folder").mkdir()
    (tmp_path / ".partial-folder" / "rest").touch()
    with io.atomic_outputs(tmp_path / "folder") as (partial,):
        assert not list(partial.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x"),
        OSError("[Errno 28] Error writing bytes. Detail: No space left on device"),
    ],
)
def test_a_full_disk_is_reported_in_one_line(error: OSError, tmp_path: Path) -> None:
    with (
        pytest.raises(StageError, match=r"cannot write .*rows\.json: the disk is full; free up"),
        io.atomic_outputs(tmp_path / "rows.json"),
    ):
        raise error
    assert not list(tmp_path.iterdir())


def test_a_missing_input_names_the_command_that_creates_it(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"x\.json is missing: run `dvc repro` or `snakemake`"):
        io.read_json(tmp_path / "x.json")


def test_yaml_is_read_as_dvc_reads_it() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("params.yaml", "dvc.yaml")]
    values = ["on", "1e-3", "010", "0o10", "12:30:45", "~", "'1'", "1_000", "yes", "2020-01-01"]
    texts.append("".join(f"- {value}\n" for value in values))
    for text in texts:
        value, expected = io.parse_yaml(text), parse_yaml(text, "")
        assert json.dumps(value, default=str) == json.dumps(expected, default=str)
    with pytest.raises(YAMLError):
        io.parse_yaml("a: 1\na: 2\n")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/../../x", "a/..", "/x", "a//x", "a/", "C:/x", "a\\..\\x", "a\0"],
)
def test_a_name_that_leads_out_of_its_folder_is_not_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(StageError, match="it is not written"):
        io.copy_into(folder, name, BytesIO(b"evil"))
    assert [*tmp_path.rglob("*")] == [folder]


@pytest.mark.parametrize("name", ["link", "folder/x", "inner", "there/x/y"])
def test_nothing_is_written_through_a_link_or_over_a_folder(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "target", tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("kept")
    (folder / "link").symlink_to(outside / "file")
    (folder / "folder").symlink_to(outside)
    (folder / "there").symlink_to(outside)
    with pytest.raises(StageError, match="is a link or a folder"):
        io.copy_into(folder, name, BytesIO(b"evil"))
    assert [path.read_text() for path in outside.rglob("*")] == ["kept"]


def test_files_and_folders_are_copied_below_a_folder(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "__pycache__").mkdir(parents=True)
    (source / "__pycache__" / "a.pyc").touch()
    io.write_text(source / "a.txt", "one\r\ntwo\n")
    target.mkdir()
    io.copy_tree(source, target, "x/source")
    io.copy_tree(source / "a.txt", target, "a.txt")
    io.copy_into(target, "b/c.txt", BytesIO(b"three"))
    files = {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert files == {
        "x/source/a.txt": b"one\r\ntwo\n",
        "a.txt": b"one\r\ntwo\n",
        "b/c.txt": b"three",
    }


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_json_is_reported_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(StageError, match="is not JSON") as caught:
        io.read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)
