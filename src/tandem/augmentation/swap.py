"""Swap random words with each other."""

from collections.abc import Sequence
from random import Random

from tandem.augmentation import WordAugmentationParams
from tandem.text.words import editable, sample_positions


class Params(WordAugmentationParams):
    """`rate` of the words change places with another."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`good film` → `film good`; words that must stay keep their places."""
    changed = list(words)
    among = editable(words)
    for at in sample_positions(words, params.rate, rng):
        other = rng.choice([place for place in among if place != at] or [at])
        changed[at], changed[other] = changed[other], changed[at]
    return changed
