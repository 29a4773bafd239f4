"""Metrics: one file each, found by name, on top of the library that defines the metric.

A metric module defines what `Metric` lists. `evaluate` computes the reported score (`evaluation`);
`statistics` and `value` give the same score from sums, which the bootstrap resamples without the
library. A test holds the two equal. Importing a metric imports numpy only.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from tandem.core import registry
from tandem.metrics.common.predictions import write_labels, write_predictions
from tandem.metrics.common.scoring import (
    EvaluationParams,
    Scores,
    difference,
    estimate,
    evaluation_rows,
    main_scores,
    rounded,
    sample,
    score,
)
from tandem.metrics.common.statistics import RESAMPLES, Array, bootstrap_interval

if TYPE_CHECKING:
    import evaluate

__all__ = [
    "RESAMPLES",
    "EvaluationParams",
    "Metric",
    "Scores",
    "bootstrap_interval",
    "difference",
    "estimate",
    "evaluation",
    "evaluation_rows",
    "load",
    "main_scores",
    "rounded",
    "sample",
    "score",
    "write_labels",
    "write_predictions",
]


class Metric(Protocol):
    """What a module in this folder defines."""

    TITLE: str
    """Its name in reports."""
    HINT: str
    """A few words that say how to read it."""
    DECIMALS: int
    LOWER_IS_BETTER: bool
    INPUTS: Mapping[str, str | list[str]]
    """The columns that `compute` takes, and their types in `datasets`."""

    def columns(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[Any]]:
        """The columns of `INPUTS`, one value per row."""

    def compute(self, **columns: Any) -> float:
        """The score, by the library that defines it."""

    def statistics(self, rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
        """Sufficient statistics, float64 (rows, k)."""

    def value(self, sums: Array) -> Array:
        """Scores (…) from sums of statistics (…, k)."""


def load(name: str) -> Metric:
    """The metric of this name.

    Raises:
        UnknownName: there is no such metric.
    """
    return cast(Metric, registry.load("metrics", name))


def evaluation(name: str) -> "evaluate.Metric":
    """The metric as an `evaluate.Metric`, offline, alone or in `evaluate.combine`.

    Raises:
        UnknownName: there is no such metric.
    """
    from tandem.metrics.common.hf import ModuleMetric

    return ModuleMetric(load(name))
