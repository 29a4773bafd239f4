"""Delete random words."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import editable, sample_positions


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is deleted."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """Delete words: `good film` → `good`; at least one editable word is kept."""
    deleted = sample_positions(words, params.rate, rng)[: max(0, len(editable(words)) - 1)]
    return [word for i, word in enumerate(words) if i not in deleted]
