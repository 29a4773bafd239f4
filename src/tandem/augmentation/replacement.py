"""Replace random words by words of the training rows."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import replace_core, sample_positions


class Params(WordAugmentationParams):
    """`rate` of the words are replaced."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good plot`; signs around a word stay."""
    changed = list(words)
    for at in sample_positions(words, params.rate, rng):
        changed[at] = replace_core(words[at], rng.choice(vocabulary))
    return changed
