"""Bits per byte: how many bits a model needs for a byte of text; less is better.

The negative log₂-likelihood of all texts over their length in UTF-8 bytes, which compares models
whatever their tokenizers (as The Pile does, Gao et al. 2020, §3.1).
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
    """Bits that the model needs for each text, and the bytes of what it was shown of it."""
    return {
        "predictions": [answer["bits"] for answer in predictions],
        "references": [answer["bytes"] for answer in predictions],
    }


def compute(predictions: list[float], references: list[int]) -> float:
    """The score: 8 says that the model has learnt nothing."""
    return float(np.sum(predictions) / np.sum(references))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 2): bits, bytes."""
    return np.column_stack([np.array(part, float) for part in columns(rows, predictions).values()])


def value(sums: Array) -> Array:
    """Bits over bytes."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=np.nan)
