"""Mask e-mail addresses, card numbers and phone numbers: `call <PHONE>`.

Addresses and cards are found by datafog's patterns, cards are confirmed by their check digit;
phone numbers are found by phonenumbers, Google's library, and must be valid ones of the regions
asked for. Years, scores and versions are none of these, and the tests measure that.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

Kind = Literal["email", "card", "phone"]
Piece = tuple[int, int]

SIGNS = "!#$%&'*+-/=?^_`{|}~"  # what may begin an address (RFC 5322, atext) and hardly ever does
SIZE = re.compile(r"\d\s?x\s?\d")  # 1680x1050 is a size, though x also marks an extension
INTERNATIONAL = ["ZZ"]  # phonenumbers' name for no region: only numbers with a + are found
DIGITS = re.compile(r"\d(?:\D{0,3}\d){6}")  # E.164 numbers in use have seven digits or more


def masked(text: str, kinds: Sequence[Kind], regions: Sequence[str]) -> tuple[str, list[Kind]]:
    """`text` with masks, and the kind of each; cards go before phones, whose digits are fewer.

    >>> masked("mail jo@example.org by 2024", ["email", "phone"], ["US"])
    ('mail <EMAIL> by 2024', ['email'])
    """
    found: list[Kind] = []
    for kind, find in FINDERS.items():
        if kind not in kinds:
            continue
        for start, end in sorted(find(text, regions), reverse=True):
            text = f"{text[:start]}<{kind.upper()}>{text[end:]}"
            found.append(kind)
    return text, found


def emails(text: str, _regions: Sequence[str]) -> Iterator[Piece]:
    """Where e-mail addresses stand."""
    if "@" in text:
        for match in _pattern("EMAIL").finditer(text):
            # The pattern takes quotes and backticks before an address for a part of it.
            yield match.end() - len(match.group().lstrip(SIGNS)), match.end()


def cards(text: str, _regions: Sequence[str]) -> Iterator[Piece]:
    """Where payment card numbers with a right check digit stand."""
    if DIGITS.search(text):
        for match in _pattern("CREDIT_CARD").finditer(text):
            if luhn(match.group()):
                yield match.span()


def phones(text: str, regions: Sequence[str]) -> Iterator[Piece]:
    """Where phone numbers stand: international ones, and national ones of `regions`."""
    if not DIGITS.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    end = 0
    found = {
        # A bracket that is not closed inside the number belongs to the sentence.
        (match.start + (match.raw_string[0] == "(" and ")" not in match.raw_string), match.end)
        for region in regions or INTERNATIONAL
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING)
        if not SIZE.search(match.raw_string)
    }
    for start, stop in sorted(found):
        if start >= end:
            yield start, stop
            end = stop


def luhn(number: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

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


FINDERS: dict[Kind, Callable[[str, Sequence[str]], Iterator[Piece]]] = {
    "email": emails,
    "card": cards,
    "phone": phones,
}
