"""Accuracy: the share of rows whose label is right (scikit-learn's accuracy_score)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Accuracy"
HINT = "fraction of correct labels"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"predictions": "string", "references": "string"}


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[str]]:
    """Predicted and true labels."""
    return {
        "predictions": [answer["label"] for answer in predictions],
        "references": [row.label for row in rows],
    }


def compute(predictions: list[str], references: list[str]) -> float:
    """The library's score, 0 to 1."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(references, predictions))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 2): right, 1."""
    right = [answer["label"] == row.label for row, answer in zip(rows, predictions, strict=True)]
    return np.column_stack([np.array(right, float), np.ones(len(right))])


def value(sums: Array) -> Array:
    """Right over all."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
