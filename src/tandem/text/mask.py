"""Mask e-mail addresses, card numbers and phone numbers, as in `call <PHONE>`.

E-mail addresses and card numbers are matched by datafog's patterns; a card number also needs a
correct check digit. Phone numbers are found by phonenumbers, a port of Google's libphonenumber, and
must be valid international numbers or valid national numbers of the given regions. Years, scores
and version numbers are not masked; the tests measure the precision and recall of masking.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

Kind = Literal["email", "card", "phone"]
Position = tuple[int, int]
"""Start and end of a match in a text, in characters."""

SIGNS = "!#$%&'*+-/=?^_`{|}~"  # valid at the start of an e-mail address (RFC 5322, atext), but rare
SIZE = re.compile(r"\d\s?x\s?\d")  # 1680x1050 is a size, but x also marks a phone extension
INTERNATIONAL = ["ZZ"]  # unknown region in phonenumbers: only numbers with a leading + are found
DIGITS = re.compile(r"\d(?:\D{0,3}\d){6}")  # E.164 numbers in use have at least seven digits


def mask_personal_data(
    text: str, kinds: Sequence[Kind], regions: Sequence[str]
) -> tuple[str, list[Kind]]:
    """Mask personal data of the given kinds in `text`.

    Args:
        text: The text to mask.
        kinds: Kinds to mask; card numbers are masked before phone numbers, because part of a card
            number could be taken for a phone number.
        regions: Regions (ISO 3166-1) whose national phone numbers are masked.

    Returns:
        The masked text, and the kind of each masked string.

    >>> mask_personal_data("mail jo@example.org by 2024", ["email", "phone"], ["US"])
    ('mail <EMAIL> by 2024', ['email'])
    """
    masks: list[Kind] = []
    for kind, find in FINDERS.items():
        if kind not in kinds:
            continue
        for start, end in sorted(find(text, regions), reverse=True):
            text = f"{text[:start]}<{kind.upper()}>{text[end:]}"
            masks.append(kind)
    return text, masks


def emails(text: str, _regions: Sequence[str]) -> Iterator[Position]:
    """Yield the positions of e-mail addresses."""
    if "@" in text:
        for match in _pattern("EMAIL").finditer(text):
            # Quotes and backticks before an address match the pattern, but are not masked.
            yield match.end() - len(match.group().lstrip(SIGNS)), match.end()


def cards(text: str, _regions: Sequence[str]) -> Iterator[Position]:
    """Yield the positions of payment card numbers with a correct check digit."""
    if DIGITS.search(text):
        for match in _pattern("CREDIT_CARD").finditer(text):
            if luhn(match.group()):
                yield match.span()


def phones(text: str, regions: Sequence[str]) -> Iterator[Position]:
    """Yield the positions of international phone numbers, and of national numbers of `regions`."""
    if not DIGITS.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    matches = {
        # A parenthesis that is not closed inside the number belongs to the sentence.
        (match.start + (match.raw_string[0] == "(" and ")" not in match.raw_string), match.end)
        for region in regions or INTERNATIONAL
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING)
        if not SIZE.search(match.raw_string)
    }
    # Matches for several regions may overlap; the first of them is used.
    last_end = 0
    for start, end in sorted(matches):
        if start >= last_end:
            yield start, end
            last_end = end


def luhn(number: str) -> bool:
    """Return whether `number` ends with the correct check digit (ISO/IEC 7812-1, annex B).

    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112")
    (True, False)
    """
    digits = [int(character) for character in number if character.isdigit()][::-1]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


@cache
def _pattern(label: str) -> re.Pattern[str]:
    from datafog.processing.text_processing.regex_annotator import RegexAnnotator

    pattern: re.Pattern[str] = RegexAnnotator().patterns[label]
    return pattern


FINDERS: dict[Kind, Callable[[str, Sequence[str]], Iterator[Position]]] = {
    "email": emails,
    "card": cards,
    "phone": phones,
}
"""Kind of personal data → the function that finds it, in the order in which kinds are masked."""
