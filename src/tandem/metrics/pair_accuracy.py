"""Pair accuracy: the fraction of pairs whose preferred text gets the higher score.

A tie counts as one half, the expected accuracy of a random choice. A prediction is
`{"chosen": float, "rejected": float}`, the scores of the two texts of a pair.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Pair accuracy"
HINT = "fraction of pairs ranked as the raters ranked them"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"chosen": "float64", "rejected": "float64"}


def columns(_: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[float]]:
    """The scores of the preferred texts, and those of the rejected texts."""
    return {side: [prediction[side] for prediction in predictions] for side in INPUTS}


def compute(chosen: list[float], rejected: list[float]) -> float:
    """The score, 0 to 1: (1 + the mean sign of `chosen` - `rejected`) / 2."""
    return float(np.sign(np.subtract(chosen, rejected)).mean() / 2 + 0.5)


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """For each pair, its points and the constant 1, of shape (rows, 2).

    A pair gets 1 point if it is ranked correctly, 0.5 points for a tie, and 0 points otherwise.
    """
    scores = columns(rows, predictions)
    margins = np.subtract(scores["chosen"], scores["rejected"])
    return np.column_stack([np.sign(margins) / 2 + 0.5, np.ones(len(margins))])


def value(sums: Array) -> Array:
    """The number of correctly ranked pairs, plus half the ties, divided by the number of pairs."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
