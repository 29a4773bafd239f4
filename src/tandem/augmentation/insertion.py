"""Insert words of the training rows before random words."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordOperation
from tandem.text.words import touched


class Params(WordOperation):
    """Before `rate` of the words one is inserted."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good plot film`."""
    changed = list(words)
    for at in reversed(touched(words, params.rate, rng)):
        changed.insert(at, rng.choice(vocabulary))
    return changed
