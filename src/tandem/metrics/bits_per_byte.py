"""Bits per byte: the negative log₂-likelihood of all texts per UTF-8 byte.

Unlike perplexity, this metric is comparable between models with different tokenizers (The Pile, Gao
et al. 2020, §3.1). A lower score is better.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Bits per byte"
HINT = "lower is better"
DECIMALS = 3
LOWER_IS_BETTER = True
INPUTS = {"predictions": "float64", "references": "int64"}


def columns(_: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[float]]:
    """The negative log₂-likelihood of each text in bits, and its length in UTF-8 bytes."""
    return {
        "predictions": [prediction["bits"] for prediction in predictions],
        "references": [prediction["bytes"] for prediction in predictions],
    }


def compute(predictions: list[float], references: list[int]) -> float:
    """The score; a model that predicts all bytes with equal probability scores 8."""
    return float(np.sum(predictions) / np.sum(references))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """The numbers of bits and of bytes of each text, as an array of shape (rows, 2)."""
    return np.column_stack(
        [np.array(column, float) for column in columns(rows, predictions).values()]
    )


def value(sums: Array) -> Array:
    """The number of bits divided by the number of bytes."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
