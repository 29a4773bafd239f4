"""Placeholders kept: the fraction of sources with placeholders whose translation keeps them all.

A placeholder `{name}` that is lost or changed breaks the program that formats the text. A
placeholder that occurs twice in the source must occur twice in the translation. The score is 1 if
no source contains a placeholder.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.core.task import PLACEHOLDER
from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Placeholders kept"
HINT = "fraction of texts with placeholders whose translation keeps them all"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"predictions": "string", "sources": "string"}


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[str]]:
    """The predicted translations and their source texts."""
    return {
        "predictions": [prediction["target"] for prediction in predictions],
        "sources": [row.text for row in rows],
    }


def compute(predictions: list[str], sources: list[str]) -> float:
    """The score, 0 to 1."""
    return float(value(_table(predictions, sources).sum(axis=0)))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """Two numbers per row, each 0 or 1, in an array of shape (rows, 2).

    The first number is 1 if the source contains placeholders and the translation keeps them all;
    the second number is 1 if the source contains placeholders.
    """
    return _table(*columns(rows, predictions).values())


def value(sums: Array) -> Array:
    """The fraction of sources with placeholders whose translation keeps them all."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=1.0)


def _table(translations: list[str], sources: list[str]) -> Array:
    table = np.zeros((len(sources), 2))
    for line, translation, source in zip(table, translations, sources, strict=True):
        required = Counter(PLACEHOLDER.findall(source))
        kept = required <= Counter(PLACEHOLDER.findall(translation))
        line[:] = bool(required) and kept, bool(required)
    return table
