"""Delete random words."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import editable, sample_positions


class Params(WordAugmentationParams):
    """`rate` of the words are deleted."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `good`; the last word that may go stays."""
    gone = sample_positions(words, params.rate, rng)[: max(0, len(editable(words)) - 1)]
    return [word for at, word in enumerate(words) if at not in gone]
