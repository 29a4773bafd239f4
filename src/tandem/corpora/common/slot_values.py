"""Values for the slots of Home Assistant's grammars, with different values for each split.

The grammars contain no values for names, areas or free text; such values are in
`values/LANGUAGE.json`. Each value in such a JSON file belongs to only one split, so that no value
is used for both training and testing. The numbers in a long range are divided among the splits,
too. Short lists (colors, states) are shared by all splits.
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

# The fraction of a list's values that each split gets, in the order of SPLITS. The training split
# gets the most values, so that a model sees a variety of them.
FRACTIONS = (0.6, 0.2, 0.2)
# A number list with fewer values than this is shared by all splits, like other short lists.
MIN_OPEN_VALUES = 30
# Fraction of numbers that are spelled out; transcribed speech contains both words and digits.
SPELLED_OUT = 1 / 3


def authored(language: str) -> dict[tuple[str, str], list[str]]:
    """Return the values in `values/LANGUAGE.json`: (list, domain) → values.

    The domain is "" if the values of a list are not grouped by domain.

    Raises:
        UnknownName: there is no file for `language`.
    """
    folder = resources.files("tandem.corpora.common") / "values"
    languages = [file.name.removesuffix(".json") for file in folder.iterdir()]
    if language not in languages:
        raise UnknownName("language of intents", language, languages)
    lists = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))
    return {
        (name, domain): values
        for name, content in lists.items()
        for domain, values in (content if isinstance(content, dict) else {"": content}).items()
    }


def reserve(values: Sequence[str]) -> dict[str, list[str]]:
    """Divide values among the splits, in the order of the values' hashes."""
    ranked = sorted(values, key=lambda value: hashlib.sha256(value.encode()).digest())
    end = round(len(ranked) * FRACTIONS[0])
    next_end = round(len(ranked) * (FRACTIONS[0] + FRACTIONS[1]))
    return dict(zip(SPLITS, (ranked[:end], ranked[end:next_end], ranked[next_end:]), strict=True))


@functools.cache
def reserved(language: str) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Return (list, domain) → split → the values reserved for it; the keys are as in `authored`."""
    return {key: reserve(values) for key, values in authored(language).items()}


class Values:
    """Chooses the values of the slots in one block of a grammar."""

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
        """Draw a value for `slot` that may be used in `split`.

        Args:
            domains: Domains to prefer, if the slot's list groups its values by domain.
            split: The split that the text is for.
            rng: The random number generator.
            slot: The slot to fill.

        Raises:
            DataError: neither the grammar nor `values/LANGUAGE.json` contains the slot's list.
        """
        name = slot.list_name
        if (name, "") in self._open:
            return Value(rng.choice(self._open[name, ""][split]), True)
        by_domain = {d: v[split] for (n, d), v in self._open.items() if n == name}
        if by_domain:
            usable = [d for d in domains if d in by_domain] or list(by_domain)
            return Value(rng.choice(by_domain[rng.choice(usable)]), True)
        values = self._lists.get(name)
        if isinstance(values, RangeSlotList):
            return self._number(values, split, rng)
        if isinstance(values, TextSlotList):
            return self._text(values, rng)
        raise DataError(
            f"the grammar has no values for {{{name}}}: add some to values/{self._language}.json"
        )

    def _text(self, values: TextSlotList, rng: random.Random) -> Value:
        """Draw a value from the grammar; if the value is a template, sample a text from it."""
        template = rng.choice(values.values).text_in
        pieces = Sampler(self._rules, _no_slot, rng).pieces(template)
        return Value("".join(piece.text for piece in pieces), False)

    def _number(self, values: RangeSlotList, split: str, rng: random.Random) -> Value:
        fractions = values.fraction_type.value if values.fraction_type else None
        reserved, numbers = numbers_of(values.start, values.stop, values.step, fractions, split)
        number = rng.choice(numbers)
        if values.words and (not values.digits or rng.random() < SPELLED_OUT):
            engine = get_rbnf_engine(values.words_language or self._language)
            return Value(engine.format_number(float(number)).text, reserved)
        return Value(number, reserved)


@functools.cache
def numbers_of(
    start: int, stop: int, step: int, fractions: str | None, split: str
) -> tuple[bool, list[str]]:
    """Return whether a range is divided among the splits, and the numbers that `split` may use."""
    fraction_type = None if fractions is None else RangeFractionType(fractions)
    values = RangeSlotList(None, start, stop, step, fraction_type=fraction_type).get_numbers()
    numbers = [str(value) for value in values]
    if len(numbers) < MIN_OPEN_VALUES:
        return False, numbers
    return True, [number for number in numbers if split_of_number(number) == split]


def split_of_number(number: str) -> str:
    """Return the split of a number; a number has the same split in all lists."""
    position = hashlib.sha256(number.encode()).digest()[0] / 256
    if position < FRACTIONS[0]:
        return SPLITS[0]
    return SPLITS[1] if position < FRACTIONS[0] + FRACTIONS[1] else SPLITS[2]


def _no_slot(slot: ListReference) -> Value:
    raise DataError(f"a slot value in the grammar contains another slot: {slot.list_name}")
