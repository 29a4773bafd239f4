"""Pair accuracy: the share of pairs whose preferred text gets the higher score.

A tie is half right: a scorer that cannot tell two texts apart would toss a coin.
A prediction is {"chosen": float, "rejected": float}, the scores of the two texts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Pair accuracy"
HINT = "fraction of pairs ranked as raters did"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"chosen": "float64", "rejected": "float64"}


def columns(_: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[float]]:
    """The scores of the texts that people preferred, and of those they did not."""
    return {side: [answer[side] for answer in predictions] for side in INPUTS}


def compute(chosen: list[float], rejected: list[float]) -> float:
    """The score, 0 to 1: half the mean sign of the margin, and a half."""
    return float(np.sign(np.subtract(chosen, rejected)).mean() / 2 + 0.5)


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 2): right (or a half), 1."""
    scores = columns(rows, predictions)
    margin = np.subtract(scores["chosen"], scores["rejected"])
    return np.column_stack([np.sign(margin) / 2 + 0.5, np.ones(len(margin))])


def value(sums: Array) -> Array:
    """Right over all."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
