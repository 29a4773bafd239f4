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
from tandem.core import paths
from tandem.core.rows import Dropped, read_rows
from tandem.core.task import load
from tandem.sources import Unreadable
from tandem.sources.common.parsing import parse_records, sample_groups
from tandem.stages.fetch import count
from tandem.tasks.sentiment import SentimentRow

GOOD = "text,label\nA gem of a movie.,positive\nDo not see this film.,negative\n"


class Project:
    """A project of a user's own, with one task and one file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "reviews.csv"
        self.fetch: dict[str, Any] = {
            "source": {"kind": "files", "format": "csv", "files": [{"path": "reviews.csv"}]},
            "on_unreadable": "keep",
        }

    def run(self) -> int:
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
        found: dict[str, Any] = json.loads(paths.metrics("fetch", "sentiment").read_text())
        return found

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.parent != self.root
        }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    found = Project(tmp_path)
    found.file.write_text(GOOD)
    return found


def failed(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a run ends with; it must leave nothing behind."""
    assert project.run() == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert project.files() == {}
    return said


def test_a_users_file_becomes_rows_with_ids_groups_and_a_domain(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    assert capsys.readouterr().out == (
        "2 rows read, 0 unreadable, 2 labels: negative 50 %, positive 50 %; "
        "written to data/raw/sentiment\n"
    )
    first, second = project.rows()
    assert (first.text, first.label, first.domain) == ("A gem of a movie.", "positive", "default")
    assert first.id == first.group != second.id
    assert first.ratings == ()
    assert project.unreadable() == []


def test_ids_follow_the_content_not_the_place(project: Project) -> None:
    project.run()
    before = {row.text: row.id for row in project.rows()}
    head, one, two = GOOD.splitlines()
    project.file.write_text("\n".join([head, "New.,neutral", two, one]))
    project.run()
    after = {row.text: row.id for row in project.rows()}
    assert after.items() >= before.items()


def test_twice_the_same_bytes(project: Project) -> None:
    project.file.write_text(GOOD + "half\n")
    assert project.run() == 0
    before = project.files()
    assert len(before) == 4
    assert project.run() == 0
    assert project.files() == before


def test_a_broken_row_is_kept_with_its_reason_and_counted(project: Project) -> None:
    project.file.write_bytes(GOOD.encode() + b"half\n,neutral\nWell.,angry\nbad \xff,neutral\n")
    assert project.run() == 0
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


def test_or_the_run_stops(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fetch["unreadable"] = "stop"
    project.file.write_text(GOOD + "Well.,angry\n")
    assert "1 unknown_label" in failed(project, capsys)


def test_a_failed_run_leaves_what_was_there(project: Project) -> None:
    project.run()
    before = project.files()
    project.file.write_text("")
    assert project.run() == 2
    assert project.files() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "reviews.csv is empty"),
        (b"text,label\n", "it is empty"),
        (b"review,label\nGood.,positive\n", "none of its rows can be read (1 missing_text)"),
        ("text,label\n".encode("utf-16"), "the header is not CSV in utf-8"),
        ("text,label\nSchön,positive".encode("latin-1"), "1 wrong_encoding"),
    ],
)
def test_a_file_without_a_readable_row_is_one_line(
    project: Project, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    project.file.write_bytes(content)
    assert said in failed(project, capsys)


def test_a_missing_column_is_one_line(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fetch["source"]["columns"] = {"label": "stars"}
    assert "has no column 'stars'" in failed(project, capsys)


def test_an_unknown_source_names_those_that_exist(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.fetch["source"] = {"kind": "file"}
    said = failed(project, capsys)
    assert "sentiment.fetch.source" in said
    assert "Did you mean 'files'" in said


def test_a_wrong_hash_is_one_line(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.fetch["source"]["files"][0]["sha256"] = "0" * 64
    said = failed(project, capsys)
    assert "0" * 64 in said
    assert hashlib.sha256(GOOD.encode()).hexdigest() in said


def test_no_network_is_one_line(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    default = YAML(typ="safe").load((Path(__file__).parents[2] / "params.yaml").read_text())
    project.fetch = default["sentiment"]["fetch"]
    monkeypatch.setenv("TANDEM_CACHE", str(project.root.parent / "empty-cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(project.root))
    assert "cannot download vaderSentiment==3.3.2" in failed(project, capsys)


def test_the_card_tells_source_licence_and_limits(project: Project) -> None:
    project.fetch["source"]["about"] = {
        "title": "Our reviews",
        "description": "Reviews by our users.",
        "license": "cc-by-4.0",
        "languages": ["en"],
        "limits": ["Few."],
    }
    assert project.run() == 0
    card = (paths.raw("sentiment") / paths.CARD).read_text()
    _, ahead, body = card.split("---\n", 2)
    meta = YAML(typ="safe").load(ahead)
    assert meta["license"] == "cc-by-4.0"
    assert meta["size_categories"] == ["n<1K"]
    assert "# Our reviews" in body
    assert hashlib.sha256(GOOD.encode()).hexdigest() in body
    assert "- Few." in body
    assert str(project.root) not in card


def test_at_most_keeps_whole_groups(project: Project) -> None:
    rows = [f"Text {n}.,neutral,g{n // 5}" for n in range(100)]
    project.file.write_text("\n".join(["text,label,group", *rows]))
    project.fetch["max_rows"] = 12
    assert project.run() == 0
    kept = project.rows()
    assert len(kept) == 15
    assert len({row.group for row in kept}) == 3


def test_an_id_that_comes_twice_is_kept_once() -> None:
    raw = {"id": 7, "text": "a", "label": "neutral"}
    rows, unreadable = parse_records([raw, raw], load("sentiment"))
    assert [row.id for row in rows] == ["7"]
    assert [row.reason for row in unreadable] == ["duplicate_id"]


def test_half_a_surrogate_pair_is_unreadable(project: Project) -> None:
    project.fetch["source"]["format"] = "jsonl"
    half = {"text": "half \ud800", "label": "neutral"}
    project.file.write_text(json.dumps(half) + "\n" + json.dumps(half | {"text": "whole"}))
    assert project.run() == 0
    assert [row.reason for row in project.unreadable()] == ["broken_unicode"]


def test_a_number_that_no_column_holds_is_unreadable(project: Project) -> None:
    project.fetch["source"]["format"] = "jsonl"
    rows = [{"text": "a", "label": "neutral", "ratings": [n]} for n in (2**63 - 1, 2**63)]
    project.file.write_text("\n".join(map(json.dumps, rows)))
    assert project.run() == 0
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
def test_where_nothing_can_be_read_the_line_says_what_to_set(
    content: bytes, key: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.file.write_bytes(content)
    assert f". Set fetch.source.{key} to" in failed(project, capsys)


values = st.none() | st.integers() | st.text() | st.lists(st.integers(-4, 4))
found = st.dictionaries(st.sampled_from(["id", "group", "text", "label", "ratings"]), values)


@given(st.lists(found | st.builds(Unreadable, st.just("broken"), st.text())))
def test_every_record_is_kept_once_readable_or_not(some: list[Any]) -> None:
    rows, unreadable = parse_records(some, load("sentiment"))
    assert len(rows) + len(unreadable) == len(some)
    assert len({row.id for row in rows}) == len(rows)
    assert count(rows, unreadable)["unreadable"] == len(unreadable)
    assert sample_groups(rows, 10**6) == rows


def test_fetch_starts_at_once() -> None:
    """No heavy library is imported for params, stage and sources of the user's own."""
    code = (
        "import sys, tandem.cli, tandem.stages.fetch, tandem.tasks.intent, tandem.sources.files, "
        "tandem.sources.hub, tandem.sources.package, tandem.corpora.vader_ratings;"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas', 'evaluate', 'hassil'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
