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
def said(published: Path) -> dict[str, Any]:
    export("croissant")
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def test_mlcroissant_finds_no_error_and_nothing_missing(said: dict[str, Any]) -> None:
    dataset = mlc.Dataset(jsonld=str(FILE))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings


def test_the_command_of_mlcroissant_agrees(said: dict[str, Any]) -> None:
    command = Path(sys.executable).parent / "mlcroissant"
    done = subprocess.run(
        [str(command), "validate", "--jsonld", str(FILE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Done." in done.stderr


def test_mlcroissant_reads_the_rows(said: dict[str, Any]) -> None:
    dataset = mlc.Dataset(jsonld=str(FILE))
    rows = [*dataset.records("train")]
    assert [row["train/id"].decode() for row in rows] == [row.id for row in ROWS]
    assert rows[0]["train/spans"] == [
        {"train/spans/start": 11, "train/spans/end": 18, "train/spans/label": b"area"}
    ]
    (dropped,) = dataset.records("dropped")
    assert dropped["dropped/reason"] == b"leak"


def test_it_says_what_the_data_card_says(said: dict[str, Any]) -> None:
    assert said["license"] == "https://spdx.org/licenses/Apache-2.0"
    assert said["citeAs"].startswith("The Home Assistant Authors.")
    assert said["url"].startswith("https://pypi.org/project/home-assistant-intents/")
    assert said["inLanguage"] == ["en"]
    assert said["datePublished"] == COMMITTED
    assert said["rai:dataPreprocessingProtocol"] == [
        "tandem fetch intent",
        "tandem clean intent",
        "tandem split intent",
    ]


def test_files_have_the_digests_of_the_record(said: dict[str, Any]) -> None:
    made = read().expected_digest("data/split/intent")
    assert made is not None and made.files is not None
    assert {each["@id"]: each["sha256"] for each in said["distribution"]} == {
        name: digest.sha256 for name, digest in made.files.items()
    }
    assert said["version"] == f"1.0.0+sha256.{made.sha256[:12]}"


def test_the_rows_are_found_from_any_folder(published: Path, tmp_path: Path) -> None:
    export("croissant", str(tmp_path / "far" / "away"))
    dataset = mlc.Dataset(jsonld=str(tmp_path / "far" / "away" / "intent.json"))
    assert len([*dataset.records("test")]) == len(ROWS)


def test_without_a_split_there_is_no_dataset(published: Path) -> None:
    for path in Path("reports/lineage").rglob("*.json"):
        if path.parent.name != "fetch":
            path.unlink()
    with pytest.raises(LineageError, match="no record is of a split"):
        export("croissant")
