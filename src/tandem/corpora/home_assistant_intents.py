"""Smart-home requests with intents and slots, sampled from Home Assistant's grammars.

An example record: id "en/HassTurnOn/1/5/test/1", group "en/HassTurnOn/1/5" (the template), domain
"homeassistant", text "switch the wine cellar lights on", label "HassTurnOn", spans
[{"start": 11, "end": 22, "label": "area"}], holdout "test".

From every template, rows are sampled for each split with the slot values of that split. The stage
`split` assigns each template to one split and keeps only the rows of the template that were sampled
for that split or that any split may use.
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
from tandem.core.raw_records import DatasetInfo, RawRecords
from tandem.core.schema import StrictModel
from tandem.corpora import CorpusParams
from tandem.corpora.common.grammar import Sample, Sampler
from tandem.corpora.common.slot_values import Values
from tandem.downloads.archive import Archive

FOLDER = "home_assistant_intents"
TRIES = 5  # attempts per text, because a small template soon yields repeated texts


class PerTemplate(StrictModel):
    """Maximum number of distinct texts sampled from a template for each split."""

    train: int = Field(ge=1)
    """Rows for training."""
    validation: int = Field(ge=1)
    """Rows for validation."""
    test: int = Field(ge=1)
    """Rows for testing."""


class Params(CorpusParams):
    """The grammar to sample from, and the number of texts to sample."""

    language: str = Field(pattern=r"^[A-Za-z-]+$")
    """Language of the grammars (ISO 639-1)."""
    per_template: PerTemplate
    """Maximum number of rows sampled from each template, by split."""
    seed: int = Field(ge=0)
    """Seed for sampling the rows."""


def rows(params: Params, archive: Archive) -> RawRecords:
    """Yield the records of all intents, except those whose text occurs with several intents."""
    grammar = Intents.from_dict(json.loads(archive.read(f"{FOLDER}/data/{params.language}.json")))
    facts = json.loads(archive.read(f"{FOLDER}/intents.json"))
    records = list(_all_records(params, grammar, facts))
    intents = defaultdict(set)
    for record in records:
        intents[record["text"].casefold()].add(record["label"])
    yield from (record for record in records if len(intents[record["text"].casefold()]) == 1)


def _all_records(
    params: Params, grammar: Intents, facts: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for name, intent in sorted(grammar.intents.items()):
        for block_index, block in enumerate(intent.data):
            for index, template in enumerate(block.sentence_texts):
                group = f"{params.language}/{name}/{block_index}/{index}"
                for key, split, sample in samples(group, template, block, grammar, params):
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
    """Sample distinct texts from a template.

    A text without values that are reserved for one split can be used in any split, so it is sampled
    only once, for the first split.

    Yields:
        A key that is unique within the template, the split that the text is for, and the sample.
    """
    rules = grammar.expansion_rules | block.expansion_rules
    values = Values(params.language, grammar.slot_lists | block.slot_lists, rules)
    sentence = parse_sentence(template)
    domains = _domains(block)
    seen: set[str] = set()
    for split in SPLITS:
        rng = random.Random(derived_seed(params.seed, group, split))
        sampler = Sampler(rules, functools.partial(values.pick, domains, split, rng), rng)
        limit: int = getattr(params.per_template, split)
        count = 0
        for _ in range(limit * TRIES):
            if count == limit:
                break
            sample = sampler.draw(sentence)
            usable = sample.reserved or split == SPLITS[0]
            if usable and sample.text not in seen:
                seen.add(sample.text)
                yield f"{split}/{count}", split, sample
                count += 1


def _domains(block: IntentData) -> list[str]:
    """Return the domains, such as `light`, of the devices that names in a block may refer to."""
    domains = block.requires_context.get("domain", [])
    return [domains] if isinstance(domains, str) else list(domains)


def about(params: Params) -> DatasetInfo:
    """Return the description for the data card."""
    return DatasetInfo(
        title=f"Home Assistant intents, {params.language}",
        description=(
            "Smart-home requests with their intent and slots, sampled from the grammars that Home "
            "Assistant uses to parse requests. The grammars contain no values for names, areas, "
            "floors or free text; such values were written for this dataset. Each written value "
            "belongs to only one split, and the numbers in a long range are divided among the "
            "splits."
        ),
        license="apache-2.0",
        languages=[params.language],
        citation=(
            "The Home Assistant Authors. Home Assistant Intents. "
            "https://github.com/OHF-Voice/intents"
        ),
        limits=[
            "The requests are sampled from a human-written grammar, not collected from speech: "
            "requests that the grammar does not cover are missing, and some that it allows are "
            "unnatural.",
            "Rows sampled from one template differ only in optional words and slot values; "
            "compute metrics per template, not per row.",
            "Slots with few values (colors, states) have the same values in every split.",
            "Some intents have only one or two templates, so they may be missing from a split.",
        ],
    )
