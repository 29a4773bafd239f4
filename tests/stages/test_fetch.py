import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io, paths
from tandem.core.raw_records import Unreadable
from tandem.core.rows import Dropped, read_rows
from tandem.core.task import load
from tandem.sources.common.counts import count_rows
from tandem.sources.common.parsing import parse_records, sample_groups
from tandem.tasks.sentiment import SentimentRow

VALID_CSV = "text,label\nA gem of a movie.,positive\nDo not see this film.,negative\n"


class Project:
    """A project with one task and one data file of the user."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "reviews.csv"
        self.fetch: dict[str, Any] = {
            "source": {"kind": "files", "format": "csv", "files": [{"path": "reviews.csv"}]},
            "on_unreadable": "keep",
        }

    def run_fetch(self) -> int:
        if self.fetch["source"]["kind"] == "files" and self.file.exists():
            pin = hashlib.sha256(self.file.read_bytes()).hexdigest()
            self.fetch["source"]["files"][0].setdefault("sha256", pin)
        content = {
            "runtime": {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"},
            "tasks": ["sentiment"],
            "methods": [],
            "preferences": {},
            "sentiment": {"fetch": self.fetch},
        }
        with (self.root / "params.yaml").open("w") as file:
            YAML().dump(content, file)
        return cli.main(["fetch", "sentiment"])

    def rows(self) -> list[SentimentRow]:
        return read_rows(paths.raw("sentiment") / paths.ROWS, SentimentRow)

    def unreadable(self) -> list[Dropped]:
        return read_rows(paths.raw("sentiment") / "unreadable.parquet", Dropped)

    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = io.read_details(paths.details("fetch", "sentiment"))
        return metrics

    def output_digests(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.parent != self.root
        }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    project.file.write_text(VALID_CSV)
    return project


def error_line(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    """Run `fetch`, which must fail and write no outputs; return its one-line error message."""
    assert project.run_fetch() == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert project.output_digests() == {}
    return message


def test_rows_of_a_file_get_ids_groups_and_a_domain(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run_fetch() == 0
    assert capsys.readouterr().out == (
        "2 rows read, 0 unreadable, 2 labels: negative 50 %, positive 50 %; "
        "written to data/raw/sentiment\n"
    )
    first, second = project.rows()
    assert (first.text, first.label, first.domain) == ("A gem of a movie.", "positive", "default")
    assert first.id == first.group != second.id
    assert first.ratings == ()
    assert project.unreadable() == []


def test_ids_depend_on_content_and_not_on_position(project: Project) -> None:
    project.run_fetch()
    before = {row.text: row.id for row in project.rows()}
    header, first, second = VALID_CSV.splitlines()
    project.file.write_text("\n".join([header, "New.,neutral", second, first]))
    project.run_fetch()
    after = {row.text: row.id for row in project.rows()}
    assert after.items() >= before.items()


def test_a_second_run_gives_the_same_bytes(project: Project) -> None:
    project.file.write_text(VALID_CSV + "half\n")
    assert project.run_fetch() == 0
    before = project.output_digests()
    assert len(before) == 4
    assert project.run_fetch() == 0
    assert project.output_digests() == before


def test_an_unreadable_row_is_kept_with_its_reason_and_counted(project: Project) -> None:
    project.file.write_bytes(
        VALID_CSV.encode() + b"half\n,neutral\nWell.,angry\nbad \xff,neutral\n"
    )
    assert project.run_fetch() == 0
    assert len(project.rows()) == 2
    reasons = {row.reason: row.text for row in project.unreadable()}
    assert set(reasons) == {
        "wrong_number_of_cells",
        "empty_text",
        "unknown_label",
        "wrong_encoding",
    }
    assert "angry" in reasons["unknown_label"]
    assert project.metrics()["unreadable"] == 4
    assert project.metrics()["unreadable_by_reason"] == dict.fromkeys(reasons, 1)


def test_an_unreadable_row_can_be_an_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.fetch["on_unreadable"] = "raise"
    project.file.write_text(VALID_CSV + "Well.,angry\n")
    allowed = "'angry' is not one of negative, neutral, positive"
    assert f"(1 unknown_label: {allowed})" in error_line(project, capsys)


def test_the_last_line_says_why_rows_are_unreadable_and_which_labels_are_allowed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels that differ in capitalization or spaces are neither mapped nor silently dropped."""
    labels = ["neutral", "Positive", "negative ", "Positive"]
    project.file.write_text("text,label\n" + "".join(f"Text.,{label}\n" for label in labels))
    assert project.run_fetch() == 0
    allowed = "'Positive' is not one of negative, neutral, positive"
    assert f"1 row read, 3 unreadable (3 unknown_label: {allowed}), " in capsys.readouterr().out


def test_the_error_for_no_readable_row_names_the_allowed_labels(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.file.write_text("text,label\nText.,Positive\n")
    allowed = "'Positive' is not one of negative, neutral, positive"
    assert f"no row can be read (1 unknown_label: {allowed})" in error_line(project, capsys)


def test_a_failed_run_keeps_the_old_outputs(project: Project) -> None:
    project.run_fetch()
    before = project.output_digests()
    project.file.write_text("")
    assert project.run_fetch() == 2
    assert project.output_digests() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "reviews.csv is empty"),
        (b"text,label\n", "it is empty"),
        (b"review,label\nGood.,positive\n", "no row can be read (1 missing_text)"),
        ("text,label\n".encode("utf-16"), "the header cannot be read as CSV in utf-8"),
        ("text,label\nSchön,positive".encode("latin-1"), "1 wrong_encoding"),
    ],
)
def test_a_file_without_readable_rows_is_an_error(
    project: Project, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    project.file.write_bytes(content)
    assert message in error_line(project, capsys)


def test_a_missing_column_is_an_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fetch["source"]["columns"] = {"label": "stars"}
    assert "has no column 'stars'" in error_line(project, capsys)


def test_an_unknown_source_suggests_the_closest_name(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.fetch["source"] = {"kind": "file"}
    message = error_line(project, capsys)
    assert "sentiment.fetch.source" in message
    assert "Did you mean 'files'" in message


def test_a_wrong_hash_is_an_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fetch["source"]["files"][0]["sha256"] = "0" * 64
    message = error_line(project, capsys)
    assert "0" * 64 in message
    assert hashlib.sha256(VALID_CSV.encode()).hexdigest() in message


def test_no_network_is_an_error(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    default = YAML(typ="safe").load((Path(__file__).parents[2] / "params.yaml").read_text())
    project.fetch = default["sentiment"]["fetch"]
    monkeypatch.setenv("TANDEM_CACHE", str(project.root.parent / "empty-cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.root))
    assert "cannot download vaderSentiment==3.3.2" in error_line(project, capsys)


def test_the_card_has_source_license_and_limits(project: Project) -> None:
    project.fetch["source"]["about"] = {
        "title": "Our reviews",
        "description": "Reviews by our users.",
        "license": "cc-by-4.0",
        "languages": ["en"],
        "limits": ["Few."],
    }
    assert project.run_fetch() == 0
    card = (paths.raw("sentiment") / paths.CARD).read_text()
    _, front_matter, body = card.split("---\n", 2)
    metadata = YAML(typ="safe").load(front_matter)
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["size_categories"] == ["n<1K"]
    assert "# Our reviews" in body
    assert hashlib.sha256(VALID_CSV.encode()).hexdigest() in body
    assert "- Few." in body
    assert str(project.root) not in card


def test_max_rows_keeps_whole_groups(project: Project) -> None:
    rows = [f"Text {n}.,neutral,g{n // 5}" for n in range(100)]
    project.file.write_text("\n".join(["text,label,group", *rows]))
    project.fetch["max_rows"] = 12
    assert project.run_fetch() == 0
    sampled = project.rows()
    assert len(sampled) == 15
    assert len({row.group for row in sampled}) == 3


def test_of_two_rows_with_one_id_the_second_is_unreadable() -> None:
    raw = {"id": 7, "text": "a", "label": "neutral"}
    rows, unreadable, _ = parse_records([raw, raw], load("sentiment"))
    assert [row.id for row in rows] == ["7"]
    assert [row.reason for row in unreadable] == ["duplicate_id"]


def test_a_lone_surrogate_is_unreadable(project: Project) -> None:
    project.fetch["source"]["format"] = "jsonl"
    broken = {"text": "half \ud800", "label": "neutral"}
    project.file.write_text(json.dumps(broken) + "\n" + json.dumps(broken | {"text": "whole"}))
    assert project.run_fetch() == 0
    assert [row.reason for row in project.unreadable()] == ["broken_unicode"]


def test_a_number_beyond_64_bits_is_unreadable(project: Project) -> None:
    project.fetch["source"]["format"] = "jsonl"
    rows = [{"text": "a", "label": "neutral", "ratings": [n]} for n in (2**63 - 1, 2**63)]
    project.file.write_text("\n".join(map(json.dumps, rows)))
    assert project.run_fetch() == 0
    assert [row.reason for row in project.unreadable()] == ["number_out_of_range"]
    assert [row.ratings for row in project.rows()] == [(2**63 - 1,)]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"review,label\na,positive\n", "columns"),
        ("text,label\nä,positive\n".encode("latin-1"), "encoding"),
        (b"text,label\na;positive\n", "delimiter"),
    ],
)
def test_the_error_for_no_readable_row_says_what_to_set(
    content: bytes, key: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.file.write_bytes(content)
    assert f". Set fetch.source.{key} to" in error_line(project, capsys)


values = st.none() | st.integers() | st.text() | st.lists(st.integers(-4, 4))
raw_records = st.dictionaries(st.sampled_from(["id", "group", "text", "label", "ratings"]), values)


@given(st.lists(raw_records | st.builds(Unreadable, st.just("broken"), st.text())))
def test_every_record_is_returned_once_readable_or_not(records: list[Any]) -> None:
    rows, unreadable, _ = parse_records(records, load("sentiment"))
    assert len(rows) + len(unreadable) == len(records)
    assert len({row.id for row in rows}) == len(rows)
    assert count_rows(rows, unreadable)["unreadable"] == len(unreadable)
    assert sample_groups(rows, 10**6) == rows


def test_fetch_imports_no_heavy_library() -> None:
    """The stage `fetch`, its params and its sources import no library that takes long to import."""
    code = (
        "import sys, tandem.cli, tandem.stages.fetch, tandem.tasks.intent, tandem.sources.files, "
        "tandem.sources.hub, tandem.sources.package, tandem.corpora.vader_ratings;"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas', 'evaluate', 'hassil'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
