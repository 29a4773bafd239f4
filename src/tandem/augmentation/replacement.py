"""Replace random words with random words from the training rows."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import replace_core, sample_positions


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is replaced."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """Replace words: `good film` → `good plot`; punctuation around a word is kept."""
    changed = list(words)
    for i in sample_positions(words, params.rate, rng):
        changed[i] = replace_core(words[i], rng.choice(vocabulary))
    return changed
