from typing import Any

import pytest

from tandem.core import registry
from tandem.core.errors import BadRow
from tandem.core.rows import Span
from tandem.core.task import BaseTask, load

BASE = {"id": "a", "group": "g", "domain": "d", "text": "lights on in {area}, please"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "sentiment": {"label": "neutral", "ratings": [0, 1]},
    "generation": {"ratings": [0, 1]},
    "translation": {"target": "Licht an in {area}, bitte"},
    "intent": {"label": "HassTurnOn", "spans": [{"start": 0, "end": 6, "label": "name"}]},
}


def example(name: str) -> tuple[BaseTask, dict[str, Any]]:
    return load(name), BASE | EXAMPLES.get(name, {})


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_record_becomes_a_row(name: str) -> None:
    task, raw = example(name)
    row = task.parse({**raw, "unknown": "is ignored"})
    assert type(row) is task.row
    assert (row.id, row.group, row.domain, row.text) == ("a", "g", "d", BASE["text"])
    assert task.stratum(row)
    assert [field for field in task.text_fields if not hasattr(row, field)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_family_metrics_and_baselines_of_a_task_exist(name: str) -> None:
    task = load(name)
    assert task.name == name
    assert task.family in registry.names("modeling.families")
    assert set(task.metrics) <= set(registry.names("metrics"))
    assert set(task.baselines) <= set(registry.names("baselines"))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": None}, "missing_text"),
        ({"text": " \t"}, "empty_text"),
        ({"text": 3}, "ill_typed_text"),
    ],
)
def test_an_invalid_text_has_a_reason(name: str, change: dict[str, Any], reason: str) -> None:
    task, raw = example(name)
    with pytest.raises(BadRow) as caught:
        task.parse(raw | change)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("sentiment", {"label": None}, "missing_label"),
        ("sentiment", {"label": "angry"}, "unknown_label"),
        ("sentiment", {"ratings": "[1,"}, "ill_typed_ratings"),
        ("sentiment", {"ratings": [1, "x"]}, "ill_typed_ratings"),
        ("translation", {"target": ""}, "empty_target"),
        ("intent", {"spans": [{"start": 1, "end": 1, "label": "x"}]}, "empty_span"),
        ("intent", {"spans": [{"start": 1, "end": 99, "label": "x"}]}, "misplaced_span"),
        ("intent", {"spans": [{"start": -1, "end": 2, "label": "x"}]}, "misplaced_span"),
        ("intent", {"spans": [{"start": 1}]}, "ill_typed_spans"),
    ],
)
def test_an_invalid_field_has_a_reason(name: str, change: dict[str, Any], reason: str) -> None:
    task, raw = example(name)
    with pytest.raises(BadRow) as caught:
        task.parse(raw | change)
    assert caught.value.reason == reason


def test_overlapping_spans_are_misplaced() -> None:
    task, raw = example("intent")
    spans = [{"start": 0, "end": 6, "label": "x"}, {"start": 5, "end": 9, "label": "y"}]
    with pytest.raises(BadRow, match="misplaced_span"):
        task.parse(raw | {"spans": spans})


def test_a_cell_may_be_a_list_as_json_or_empty() -> None:
    task, raw = example("intent")
    cell = '[{"start": 0, "end": 6, "label": "name"}]'
    assert task.parse(raw | {"spans": cell}).spans == (  # type: ignore[attr-defined]
        Span(start=0, end=6, label="name"),
    )
    assert task.parse(raw | {"spans": "", "holdout": ""}).holdout is None


def test_placeholders_and_spans_are_protected() -> None:
    for name, pieces in {"translation": ["{area}"], "intent": ["lights"]}.items():
        task, raw = example(name)
        row = task.parse(raw)
        assert [row.text[start:end] for start, end in task.protected(row)] == pieces
