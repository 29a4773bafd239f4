"""What the slots of Home Assistant's grammars are filled with, apart for each split.

The grammars leave names, areas and free texts open: `values/LANGUAGE.json` has authored ones.
Where a list has values enough, each value belongs to one split, so that a test text can hold
only values that no training text has; short lists (colours, states) are shared by all.
"""

import functools
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from importlib import resources

from hassil.expression import ListReference, Sentence
from hassil.intents import RangeFractionType, RangeSlotList, SlotList, TextSlotList
from hassil.numbers import get_rbnf_engine

from tandem.core.errors import DataError, UnknownName
from tandem.core.paths import SPLITS
from tandem.corpora.common.grammar import Sampler, Value

# Of ten values six are for training, so that a model sees variety; two each make a test of it.
SHARES = (0.6, 0.2, 0.2)
# A shorter list of the grammar is a closed class, like colours: nobody says an unseen colour.
OPEN = 30
# How often a number is spelt out; people speak to a home, and speech is written either way.
SPELT = 1 / 3


def authored(language: str) -> dict[tuple[str, str], list[str]]:
    """The authored values of a language, by list and, where a list has them, by domain.

    Raises:
        UnknownName: nobody has authored any for this language.
    """
    folder = resources.files("tandem.corpora.common") / "values"
    known = [file.name.removesuffix(".json") for file in folder.iterdir()]
    if language not in known:
        raise UnknownName("language of intents", language, known)
    lists = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))
    return {
        (name, domain): some
        for name, values in lists.items()
        for domain, some in (values if isinstance(values, dict) else {"": values}).items()
    }


def reserve(values: Sequence[str]) -> dict[str, list[str]]:
    """Deal values out to the splits by the hash of each, so that their order means nothing."""
    ranked = sorted(values, key=lambda value: hashlib.sha256(value.encode()).digest())
    first = round(len(ranked) * SHARES[0])
    second = round(len(ranked) * (SHARES[0] + SHARES[1]))
    return dict(zip(SPLITS, (ranked[:first], ranked[first:second], ranked[second:]), strict=True))


@functools.cache
def reserved(language: str) -> dict[tuple[str, str], dict[str, list[str]]]:
    """(list, domain or "") → split → the authored values that are that split's own."""
    return {key: reserve(values) for key, values in authored(language).items()}


class Values:
    """Fills the slots of one block of one language's grammar."""

    def __init__(
        self, language: str, lists: Mapping[str, SlotList], rules: Mapping[str, Sentence]
    ) -> None:
        self._language = language
        self._lists = lists
        self._rules = rules
        self._open = reserved(language)

    def pick(
        self, domains: Sequence[str], split: str, rng: random.Random, slot: ListReference
    ) -> Value:
        """A value for `slot` that `split` may use; `domains` narrow down what has domains.

        Raises:
            DataError: neither the grammar nor the authored values know the list.
        """
        name = slot.list_name
        if (name, "") in self._open:
            return Value(rng.choice(self._open[name, ""][split]), True)
        by_domain = {d: v[split] for (n, d), v in self._open.items() if n == name}
        if by_domain:
            wanted = [d for d in domains if d in by_domain] or list(by_domain)
            return Value(rng.choice(by_domain[rng.choice(wanted)]), True)
        values = self._lists.get(name)
        if isinstance(values, RangeSlotList):
            return self._number(values, split, rng)
        if isinstance(values, TextSlotList):
            return self._text(values, rng)
        raise DataError(
            f"the grammar leaves {{{name}}} open: give it values in values/{self._language}.json"
        )

    def _text(self, values: TextSlotList, rng: random.Random) -> Value:
        """One of the grammar's own values, which may be a small template itself."""
        template = rng.choice(values.values).text_in
        parts = Sampler(self._rules, _no_slot, rng).pieces(template)
        return Value("".join(part.text for part in parts), False)

    def _number(self, values: RangeSlotList, split: str, rng: random.Random) -> Value:
        fractions = values.fraction_type.value if values.fraction_type else None
        open_, numbers = numbers_of(values.start, values.stop, values.step, fractions, split)
        number = rng.choice(numbers)
        if values.words and (not values.digits or rng.random() < SPELT):
            engine = get_rbnf_engine(values.words_language or self._language)
            return Value(engine.format_number(float(number)).text, open_)
        return Value(number, open_)


@functools.cache
def numbers_of(
    start: int, stop: int, step: int, fractions: str | None, split: str
) -> tuple[bool, list[str]]:
    """Whether a range is dealt out to the splits, and the numbers that `split` may use."""
    kind = None if fractions is None else RangeFractionType(fractions)
    numbers = RangeSlotList(None, start, stop, step, fraction_type=kind).get_numbers()
    text = [str(number) for number in numbers]
    if len(text) < OPEN:
        return False, text
    return True, [number for number in text if split_of_number(number) == split]


def split_of_number(number: str) -> str:
    """The split that a number belongs to, whichever list it comes from."""
    share = hashlib.sha256(number.encode()).digest()[0] / 256
    if share < SHARES[0]:
        return SPLITS[0]
    return SPLITS[1] if share < SHARES[0] + SHARES[1] else SPLITS[2]


def _no_slot(slot: ListReference) -> Value:
    raise DataError(f"a value of the grammar holds a slot of its own: {slot.list_name}")
