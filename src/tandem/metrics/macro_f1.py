"""Macro F1: the mean of the classes' F1 scores (scikit-learn f1_score)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.accuracy import INPUTS, columns
from tandem.metrics.common.statistics import Array, safe_divide

__all__ = [
    "DECIMALS",
    "HINT",
    "INPUTS",
    "LOWER_IS_BETTER",
    "TITLE",
    "columns",
    "compute",
    "statistics",
    "value",
]

TITLE = "Macro F1"
HINT = "mean F1 of the classes"
DECIMALS = 3
LOWER_IS_BETTER = False


def compute(predictions: list[str], references: list[str]) -> float:
    """The score, 0 to 1, over the classes that occur in predictions or references."""
    from sklearn.metrics import f1_score

    return float(f1_score(references, predictions, average="macro", zero_division=0.0))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """For each row, the hits of all classes, then their occurrences, of shape (rows, 2 × classes).

    The classes are sorted. In a row, a class has 1 hit if it is both predicted and true, and 0 to 2
    occurrences: one as the predicted class, one as the true class.
    """
    labels = columns(rows, predictions)
    predicted, true = np.array(labels["predictions"]), np.array(labels["references"])
    classes = np.unique(np.concatenate([predicted, true]))
    is_predicted, is_true = predicted[:, None] == classes, true[:, None] == classes
    return np.hstack([is_predicted & is_true, is_predicted.astype(float) + is_true])


def value(sums: Array) -> Array:
    """The mean of 2 · hits / occurrences over the classes that occur in the rows."""
    hits, occurrences = np.split(sums, 2, axis=-1)
    by_class = safe_divide(2 * hits, occurrences, empty=0.0)
    return safe_divide(by_class.sum(-1), (occurrences > 0).sum(-1), empty=np.nan)
