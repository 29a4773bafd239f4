"""Macro F1: the mean over the classes of each one's F1 (scikit-learn's f1_score)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.accuracy import INPUTS, columns
from tandem.metrics.common.statistics import Array, safe_divide

__all__ = ["INPUTS", "columns", "compute", "statistics", "value"]


def compute(predictions: list[str], references: list[str]) -> float:
    """The library's score, 0 to 1, over the classes that occur among either side."""
    from sklearn.metrics import f1_score

    return float(f1_score(references, predictions, average="macro", zero_division=0.0))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 2 × classes): for each class, sorted, whether hit, and how often named (0 to 2)."""
    both = columns(rows, predictions)
    answers, truths = np.array(both["predictions"]), np.array(both["references"])
    classes = np.unique(np.concatenate([answers, truths]))
    answered, true = answers[:, None] == classes, truths[:, None] == classes
    return np.hstack([answered & true, answered.astype(float) + true])


def value(sums: Array) -> Array:
    """The mean of 2·hit / named over the classes that are named at all."""
    hit, named = np.split(sums, 2, axis=-1)
    return safe_divide(
        safe_divide(2 * hit, named, empty=0.0).sum(-1), (named > 0).sum(-1), empty=np.nan
    )
