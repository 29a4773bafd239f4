"""Replace random words by words of the training rows."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordOperation
from tandem.text.words import recored, touched


class Params(WordOperation):
    """`rate` of the words are replaced."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good plot`; signs around a word stay."""
    changed = list(words)
    for at in touched(words, params.rate, rng):
        changed[at] = recored(words[at], rng.choice(vocabulary))
    return changed
