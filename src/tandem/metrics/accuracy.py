"""Accuracy: the fraction of rows whose predicted label is correct (scikit-learn accuracy_score)."""

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
        "predictions": [prediction["label"] for prediction in predictions],
        "references": [row.label for row in rows],
    }


def compute(predictions: list[str], references: list[str]) -> float:
    """The score, 0 to 1."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(references, predictions))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """Two numbers per row, as an array of shape (rows, 2).

    The first number is 1 if the predicted label is correct, else 0; the second number is always 1.
    """
    correct = [
        prediction["label"] == row.label for row, prediction in zip(rows, predictions, strict=True)
    ]
    return np.column_stack([np.array(correct, float), np.ones(len(correct))])


def value(sums: Array) -> Array:
    """The number of correct labels divided by the number of rows."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
