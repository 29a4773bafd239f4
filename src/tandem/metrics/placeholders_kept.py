"""Placeholders kept: of the rows whose source holds `{placeholders}`, the share that keeps all.

A `{name}` that is lost or changed breaks the program that fills it in. One that stands twice in
the source must stand twice in the answer. Where no row holds any, none is lost: 1.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.core.task import PLACEHOLDER
from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Placeholders kept"
HINT = "fraction of texts with placeholders"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"predictions": "string", "sources": "string"}


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[str]]:
    """Translations and their sources."""
    return {
        "predictions": [answer["target"] for answer in predictions],
        "sources": [row.text for row in rows],
    }


def compute(predictions: list[str], sources: list[str]) -> float:
    """The score, 0 to 1."""
    return float(value(_table(predictions, sources).sum(axis=0)))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 2): whether the source holds any and all are kept, whether it holds any."""
    return _table(*columns(rows, predictions).values())


def value(sums: Array) -> Array:
    """Kept over holding."""
    return safe_divide(sums[..., 0], sums[..., 1], empty=1.0)


def _table(predictions: list[str], sources: list[str]) -> Array:
    table = np.zeros((len(sources), 2))
    for line, answer, source in zip(table, predictions, sources, strict=True):
        wanted = Counter(PLACEHOLDER.findall(source))
        line[:] = bool(wanted) and wanted <= Counter(PLACEHOLDER.findall(answer)), bool(wanted)
    return table
