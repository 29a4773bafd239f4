"""Words of a text, as augmentation sees them: what spaces part."""

import re
from collections.abc import Iterable, Sequence
from random import Random

from tandem.text.protected import SENTINEL

CORE = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)


def editable(words: Sequence[str]) -> list[int]:
    """Which words may be touched: those with a letter or digit in which nothing is hidden.

    >>> free(["turn", "on", chr(0xF0000), "--"])
    [0, 1]
    """
    return [at for at, word in enumerate(words) if CORE.search(word) and not SENTINEL.search(word)]


def sample_positions(words: Sequence[str], rate: float, rng: Random) -> list[int]:
    """The words to touch: `rate` of the free ones, drawn without replacement, sorted.

    Unlike in EDA (Wei & Zou 2019, section 2), which touches one word at least, a text whose share
    is less than half a word stays as it is: one word of two would be too much.
    """
    among = editable(words)
    return sorted(rng.sample(among, round(rate * len(among))))


def strip_punctuation(word: str) -> str:
    """A free word without the signs that surround it.

    >>> core_of('"great!"')
    'great'
    """
    match = CORE.search(word)
    return match.group() if match else word


def replace_core(word: str, core: str) -> str:
    """`word` with `core` between the signs that surround it.

    >>> recored('"great!"', "film")
    '"film!"'
    """
    return CORE.sub(lambda _: core, word, count=1)


def match_case(core: str, model: str) -> str:
    """`core` with capitals where `model` has them: in all letters, or in the first.

    >>> cased("movie", "Film"), cased("movie", "FILM"), cased("movie", "film"), cased("me", "I")
    ('Movie', 'MOVIE', 'movie', 'Me')
    """
    if len(model) > 1 and model.isupper():
        return core.upper()
    return core[:1].upper() + core[1:] if model[:1].isupper() else core


def vocabulary(texts: Iterable[str]) -> list[str]:
    """The words of `texts` without the signs around them, each as often as it occurs."""
    return [
        match.group()
        for text in texts
        for word in text.split()
        if (match := CORE.search(word)) and match.group().isalpha()
    ]
