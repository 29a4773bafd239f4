import itertools
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hassil.intents import Intents, TextSlotList
from hassil.recognize import recognize_all

from tandem.core.paths import SPLITS
from tandem.core.schema import PluginParams
from tandem.corpora.common import slot_values
from tandem.corpora.common.grammar import Piece, join
from tandem.corpora.common.slot_values import authored, reserve
from tandem.corpora.home_assistant_intents import FOLDER, Params
from tandem.downloads.pypi import open_package
from tandem.sources import package

VALUES = Path(slot_values.__file__).parent / "values"


@pytest.fixture(scope="module")
def rows(sources: dict[str, PluginParams]) -> list[dict[str, Any]]:
    return list(package.rows(sources["intent"]))  # type: ignore[arg-type]


def span_text(row: dict[str, Any], span: dict[str, Any]) -> str:
    text: str = row["text"][span["start"] : span["end"]]
    return text


def test_every_intent_and_template_gives_rows(rows: list[dict[str, Any]]) -> None:
    assert len({row["label"] for row in rows}) == 42
    assert len({row["group"] for row in rows}) > 850
    assert len({row["id"] for row in rows}) == len(rows)


def test_no_template_gives_more_rows_than_its_limit(rows: list[dict[str, Any]]) -> None:
    limits = {"train": 12, "validation": 6, "test": 6, None: 12}
    sizes = Counter((row["group"], row["holdout"]) for row in rows)
    assert all(size <= limits[holdout] for (_, holdout), size in sizes.items())


def test_a_text_has_one_intent(rows: list[dict[str, Any]]) -> None:
    labels = defaultdict(set)
    for row in rows:
        labels[row["text"].casefold()].add(row["label"])
    assert all(len(intents) == 1 for intents in labels.values())


def test_spans_are_ordered_and_contain_whole_values(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        edges = [edge for span in row["spans"] for edge in (span["start"], span["end"])]
        assert edges == sorted(set(edges)), row
        for span in row["spans"]:
            assert span_text(row, span) == span_text(row, span).strip() != ""
        assert row["text"] == " ".join(row["text"].split())


def test_hassil_parses_the_texts_to_the_same_intents_and_slots(
    rows: list[dict[str, Any]], sources: dict[str, PluginParams]
) -> None:
    """hassil parses a text with the grammar, without knowing the spans."""
    content = open_package(sources["intent"]).read(f"{FOLDER}/data/en.json")  # type: ignore[arg-type]
    grammar = json.loads(content)
    for block in itertools.chain.from_iterable(i["data"] for i in grammar["intents"].values()):
        block.pop("requires_context", None)  # a text alone provides no context
    values = authored("en")
    device_names = (names for (name, _), names in values.items() if name == "name")
    lists = {
        "area": TextSlotList.from_strings(values["area", ""]),
        "floor": TextSlotList.from_strings(values["floor", ""]),
        "name": TextSlotList.from_strings(itertools.chain.from_iterable(device_names)),
    }
    intents = Intents.from_dict(grammar)
    for row in random.Random(0).sample(rows, 60):
        expected = {span["label"]: span_text(row, span) for span in row["spans"]}
        parsed = [
            {name: entity.text.strip() for name, entity in result.entities.items()}
            for result in recognize_all(row["text"], intents, slot_lists=lists, language="en")
            if result.intent.name == row["label"]
        ]
        assert any(expected.items() <= slots.items() for slots in parsed), (row, parsed)


def test_values_of_open_lists_belong_to_one_split(rows: list[dict[str, Any]]) -> None:
    splits_of = defaultdict(set)
    for row in rows:
        for span in row["spans"]:
            if row["holdout"] and span["label"] in ("area", "floor", "item", "message"):
                splits_of[span_text(row, span)].add(row["holdout"])
    assert len(splits_of) > 100
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert {split for splits in splits_of.values() for split in splits} == set(SPLITS)


def test_only_rows_without_reserved_values_have_no_holdout(rows: list[dict[str, Any]]) -> None:
    open_labels = {"area", "floor", "item", "message", "search_query", "conversation_command"}
    for row in rows:
        if row["holdout"] is None:
            assert not open_labels & {span["label"] for span in row["spans"]}, row


@pytest.mark.parametrize("path", sorted(VALUES.glob("*.json")), ids=lambda path: path.stem)
def test_authored_values_are_many_and_each_is_in_one_list(path: Path) -> None:
    lists = authored(path.stem)
    everything = Counter(itertools.chain.from_iterable(lists.values()))
    assert [text for text, times in everything.items() if times > 1] == []
    assert sum(len(names) for (name, _), names in lists.items() if name == "name") >= 60
    assert len(lists["area", ""]) >= 40
    assert all(all(reserve(values).values()) for values in lists.values()), "a split has no value"


@pytest.mark.parametrize("language", [path.stem for path in sorted(VALUES.glob("*.json"))])
def test_every_slot_of_a_language_with_values_can_be_filled(
    language: str, sources: dict[str, PluginParams]
) -> None:
    source = sources["intent"]
    assert isinstance(source, package.Params)
    per_template = {"train": 1, "validation": 1, "test": 1}
    corpus = source.corpus.model_dump() | {"language": language, "per_template": per_template}
    records = list(
        package.rows(source.model_copy(update={"corpus": Params.model_validate(corpus)}))
    )
    assert len(records) > 1_000
    assert not any("{" in row["text"] for row in records if isinstance(row, dict))


def test_join_keeps_one_space_and_moves_the_spans() -> None:
    pieces = [Piece(" dim  the "), Piece(" "), Piece("attic", "area", True), Piece(" , please ")]
    sample = join(pieces)
    assert sample.text == "dim the attic , please"
    assert [sample.text[s.start : s.end] for s in sample.spans] == ["attic"]
    assert sample.reserved
