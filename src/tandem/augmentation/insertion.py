"""Insert words of the training rows before random words."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import sample_positions


class Params(WordAugmentationParams):
    """Before `rate` of the words one is inserted."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good plot film`."""
    changed = list(words)
    for at in reversed(sample_positions(words, params.rate, rng)):
        changed.insert(at, rng.choice(vocabulary))
    return changed
