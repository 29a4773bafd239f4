import re
import shutil
from pathlib import Path

import pytest

from tandem.core import registry
from tandem.core.errors import LineageError, UnknownName
from tandem.lineage.export import export
from tandem.lineage.graph import read

FORMATS = ["croissant", "cyclonedx", "openlineage", "prov", "ro_crate"]


def read_exports() -> dict[str, bytes]:
    files = [*Path("exports").rglob("*"), *Path().glob("ro-crate*")]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def test_every_format_is_found_by_its_file_name() -> None:
    assert registry.names("lineage.exports") == FORMATS


def test_the_same_records_give_the_same_bytes_anywhere(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "a" / "deeper" / "folder"
    shutil.copytree(published, elsewhere)
    for name in FORMATS:
        export(name)
    here = read_exports()
    monkeypatch.chdir(elsewhere)
    for name in FORMATS:
        export(name)
    assert read_exports() == here
    assert len(here) == len(FORMATS)
    assert not any(str(published).encode() in content for content in here.values())


def test_a_format_may_be_written_with_a_hyphen_and_elsewhere(published: Path) -> None:
    export("ro-crate")
    export("prov", "shared/lineage")
    assert Path("ro-crate-metadata.json").is_file()
    assert Path("shared/lineage/lineage.json").is_file()
    assert not Path("exports").exists()


def test_stale_files_are_removed_from_the_default_folder_only(published: Path) -> None:
    for folder in ("exports/prov", "mine"):
        Path(folder).mkdir(parents=True)
        Path(folder, "old.json").write_text("{}")
    export("prov")
    export("prov", "mine")
    assert [path.name for path in Path("exports/prov").iterdir()] == ["lineage.json"]
    assert Path("mine/old.json").exists()


def test_exports_are_not_committed(published: Path) -> None:
    from lineage.small import git

    for name in FORMATS:
        export(name)
    assert git("status", "--porcelain") == ""


def test_an_unknown_format_suggests_the_closest(published: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown export format 'provo'\. Did you mean 'prov'"):
        export("provo")


def test_without_records_there_is_nothing_to_export(published: Path) -> None:
    shutil.rmtree("reports/lineage")
    with pytest.raises(LineageError, match="contains no records"):
        export("prov")


def test_without_a_commit_the_time_is_constant(published: Path) -> None:
    shutil.rmtree(".git")
    export("openlineage")
    text = Path("exports/openlineage/events.jsonl").read_text()
    assert {*re.findall(r'"eventTime":"([^"]*)"', text)} == {"1970-01-01T00:00:00+00:00"}


def test_an_unknown_source_is_reported_in_one_line(published: Path) -> None:
    path = Path("reports/lineage/fetch/intent.json")
    path.write_text(path.read_text().replace('"kind": "package"', '"kind": "carrier-pigeon"'))
    assert read(Path())
    with pytest.raises(LineageError, match=r"fetch@intent contains a source .* cannot read"):
        export("croissant")
