"""Functions for the words of a text, that is, its parts between whitespace."""

import re
from collections.abc import Iterable, Sequence
from random import Random

from tandem.text.protected import SENTINEL

CORE = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)
"""A word without the punctuation around it."""


def editable(words: Sequence[str]) -> list[int]:
    """Return the indices of words that may change: those with letters or digits and no sentinels.

    >>> editable(["turn", "on", chr(0xF0000), "--"])
    [0, 1]
    """
    return [i for i, word in enumerate(words) if CORE.search(word) and not SENTINEL.search(word)]


def sample_positions(words: Sequence[str], rate: float, rng: Random) -> list[int]:
    """Draw the indices of the words to change, sorted: a fraction `rate` of the editable words.

    EDA (easy data augmentation, Wei & Zou 2019, section 2) changes at least one word of a text.
    This function draws no word if `rate` times the number of editable words is at most 0.5, because
    in a short text, even one changed word is too many.
    """
    positions = editable(words)
    return sorted(rng.sample(positions, round(rate * len(positions))))


def strip_punctuation(word: str) -> str:
    """Return a word without the punctuation around it.

    >>> strip_punctuation('"great!"')
    'great'
    """
    match = CORE.search(word)
    return match.group() if match else word


def replace_core(word: str, core: str) -> str:
    """Replace `word` with `core`, but keep the punctuation around it.

    >>> replace_core('"great!"', "film")
    '"film!"'
    """
    return CORE.sub(lambda _: core, word, count=1)


def match_case(core: str, model: str) -> str:
    """Capitalize `core` like `model`: all letters, only the first letter, or none.

    >>> pairs = [("movie", "Film"), ("movie", "FILM"), ("movie", "film"), ("me", "I")]
    >>> [match_case(core, model) for core, model in pairs]
    ['Movie', 'MOVIE', 'movie', 'Me']
    """
    if len(model) > 1 and model.isupper():
        return core.upper()
    return core[:1].upper() + core[1:] if model[:1].isupper() else core


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Return the alphabetic words of `texts` without punctuation, with repetitions."""
    return [
        match.group()
        for text in texts
        for word in text.split()
        if (match := CORE.search(word)) and match.group().isalpha()
    ]
