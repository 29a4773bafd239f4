import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlcroissant as mlc
import pytest
from lineage.small import COMMITTED, ROWS

from tandem.core.errors import LineageError
from tandem.lineage.export import export
from tandem.lineage.graph import read

FILE = Path("exports/croissant/intent.json")


@pytest.fixture
def exported(published: Path) -> dict[str, Any]:
    export("croissant")
    content: dict[str, Any] = json.loads(FILE.read_text())
    return content


def test_mlcroissant_reports_no_issue(exported: dict[str, Any]) -> None:
    dataset = mlc.Dataset(jsonld=str(FILE))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings


def test_the_command_of_mlcroissant_agrees(exported: dict[str, Any]) -> None:
    command = Path(sys.executable).parent / "mlcroissant"
    done = subprocess.run(
        [str(command), "validate", "--jsonld", str(FILE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Done." in done.stderr


def test_mlcroissant_reads_the_rows(exported: dict[str, Any]) -> None:
    dataset = mlc.Dataset(jsonld=str(FILE))
    rows = [*dataset.records("train")]
    assert [row["train/id"].decode() for row in rows] == [row.id for row in ROWS]
    assert rows[0]["train/spans"] == [
        {"train/spans/start": 11, "train/spans/end": 18, "train/spans/label": b"area"}
    ]
    (dropped,) = dataset.records("dropped")
    assert dropped["dropped/reason"] == b"leak"


def test_it_agrees_with_the_data_card(exported: dict[str, Any]) -> None:
    assert exported["license"] == "https://spdx.org/licenses/Apache-2.0"
    assert exported["citeAs"].startswith("The Home Assistant Authors.")
    assert exported["url"].startswith("https://pypi.org/project/home-assistant-intents/")
    assert exported["inLanguage"] == ["en"]
    assert exported["datePublished"] == COMMITTED
    assert exported["rai:dataPreprocessingProtocol"] == [
        "tandem fetch intent",
        "tandem clean intent",
        "tandem split intent",
    ]


def test_files_have_the_digests_of_the_record(exported: dict[str, Any]) -> None:
    made = read().expected_digest("data/split/intent")
    assert made is not None and made.files is not None
    assert {file["@id"]: file["sha256"] for file in exported["distribution"]} == {
        name: digest.sha256 for name, digest in made.files.items()
    }
    assert exported["version"] == f"1.0.0+sha256.{made.sha256[:12]}"


def test_the_rows_are_found_from_any_folder(published: Path, tmp_path: Path) -> None:
    export("croissant", str(tmp_path / "far" / "away"))
    dataset = mlc.Dataset(jsonld=str(tmp_path / "far" / "away" / "intent.json"))
    assert len([*dataset.records("test")]) == len(ROWS)


def test_without_a_split_there_is_no_dataset(published: Path) -> None:
    for path in Path("reports/lineage").rglob("*.json"):
        if path.parent.name != "fetch":
            path.unlink()
    with pytest.raises(LineageError, match="there is no record of a split"):
        export("croissant")
