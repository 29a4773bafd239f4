"""Swap random words with each other."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import editable, sample_positions


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is swapped with other words."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """Swap words: `good film` → `film good`; words that are not editable keep their positions."""
    changed = list(words)
    positions = editable(words)
    for i in sample_positions(words, params.rate, rng):
        j = rng.choice([position for position in positions if position != i] or [i])
        changed[i], changed[j] = changed[j], changed[i]
    return changed
