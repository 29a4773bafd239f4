"""Requests to a home, with their intent and slots, from Home Assistant's grammars (its package).

A record: id "en/HassTurnOn/1/5/test/1", group "en/HassTurnOn/1/5" (the template), domain
"homeassistant", text "switch the wine cellar lights on", label "HassTurnOn", spans
[{"start": 11, "end": 22, "label": "area"}], holdout "test".

Every template gives rows for each split, filled with that split's own values: the split stage
assigns the template to one split and keeps there the rows made for it.
"""

import dataclasses
import functools
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from hassil.intents import IntentData, Intents
from hassil.parse_expression import parse_sentence
from pydantic import Field

from tandem.core.determinism import derived_seed
from tandem.core.paths import SPLITS
from tandem.core.schema import StrictModel
from tandem.corpora import CorpusParams
from tandem.corpora.common.grammar import Sample, Sampler
from tandem.corpora.common.slot_values import Values
from tandem.downloads.archive import Archive
from tandem.sources import DatasetInfo, RawRecords

FOLDER = "home_assistant_intents"
TRIES = 5  # draws for each wanted text, as a small template soon repeats itself


class PerTemplate(StrictModel):
    """How many different texts a template gives, at most, for each split."""

    train: int = Field(ge=1)
    validation: int = Field(ge=1)
    test: int = Field(ge=1)


class Params(CorpusParams):
    """Which grammar, and how much of it."""

    language: str = Field(pattern=r"^[A-Za-z-]+$")
    per_template: PerTemplate
    seed: int = Field(ge=0)


def rows(params: Params, archive: Archive) -> RawRecords:
    """Records of all intents, template by template; texts that two intents share are left out."""
    grammar = Intents.from_dict(json.loads(archive.read(f"{FOLDER}/data/{params.language}.json")))
    facts = json.loads(archive.read(f"{FOLDER}/intents.json"))
    found = list(_all(params, grammar, facts))
    intents = defaultdict(set)
    for record in found:
        intents[record["text"].casefold()].add(record["label"])
    yield from (record for record in found if len(intents[record["text"].casefold()]) == 1)


def _all(params: Params, grammar: Intents, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, intent in sorted(grammar.intents.items()):
        for number, block in enumerate(intent.data):
            for place, text in enumerate(block.sentence_texts):
                group = f"{params.language}/{name}/{number}/{place}"
                for key, split, sample in samples(group, text, block, grammar, params):
                    yield {
                        "id": f"{group}/{key}",
                        "group": group,
                        "domain": facts[name]["domain"],
                        "text": sample.text,
                        "label": name,
                        "spans": [dataclasses.asdict(span) for span in sample.spans],
                        "holdout": split if sample.reserved else None,
                    }


def samples(
    group: str, template: str, block: IntentData, grammar: Intents, params: Params
) -> Iterator[tuple[str, str, Sample]]:
    """A template's texts, each once, with a key of their own and the split they are made for.

    Texts without a reserved value go wherever the template goes, so the first split's are enough.
    """
    rules = grammar.expansion_rules | block.expansion_rules
    values = Values(params.language, grammar.slot_lists | block.slot_lists, rules)
    sentence = parse_sentence(template)
    domains = _domains(block)
    seen: set[str] = set()
    for split in SPLITS:
        rng = random.Random(derived_seed(params.seed, group, split))
        sampler = Sampler(rules, functools.partial(values.pick, domains, split, rng), rng)
        wanted: int = getattr(params.per_template, split)
        made = 0
        for _ in range(wanted * TRIES):
            if made == wanted:
                break
            sample = sampler.draw(sentence)
            placed = sample.reserved or split == SPLITS[0]
            if placed and sample.text not in seen:
                seen.add(sample.text)
                yield f"{split}/{made}", split, sample
                made += 1


def _domains(block: IntentData) -> list[str]:
    """The kinds of device that a block's names may stand for."""
    wanted = block.requires_context.get("domain", [])
    return [wanted] if isinstance(wanted, str) else list(wanted)


def about(params: Params) -> DatasetInfo:
    """What the data card tells."""
    return DatasetInfo(
        title=f"Home Assistant intents, {params.language}",
        description=(
            "Requests to a home with their intent and slots, sampled from the grammars that Home "
            "Assistant understands them with. Names, areas, floors and free texts, which the "
            "grammars leave open, are authored; each value, and each number, belongs to one split."
        ),
        license="apache-2.0",
        languages=[params.language],
        citation=(
            "The Home Assistant Authors. Home Assistant Intents. "
            "https://github.com/OHF-Voice/intents"
        ),
        limits=[
            "Made from a human-written grammar, not collected from people's speech: what people "
            "say beside the grammar is missing, and some of what it allows nobody says.",
            "Rows of one template differ in their wording's options and values alone; measure by "
            "template, never by row.",
            "Slots with few values (colours, states) have the same values in every split.",
            "Some intents have one or two templates, so that a split may lack them.",
        ],
    )
