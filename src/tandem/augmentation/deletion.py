"""Delete random words."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordOperation
from tandem.text.words import free, touched


class Params(WordOperation):
    """`rate` of the words are deleted."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good`; the last word that may go stays."""
    gone = touched(words, params.rate, rng)[: max(0, len(free(words)) - 1)]
    return [word for at, word in enumerate(words) if at not in gone]
