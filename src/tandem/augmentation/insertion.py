"""Insert random words from the training rows before random words of a text."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import sample_positions


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is chosen at random; a random word is inserted before each."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """Insert words: `good film` → `good plot film`."""
    changed = list(words)
    for i in reversed(sample_positions(words, params.rate, rng)):
        changed.insert(i, rng.choice(vocabulary))
    return changed
