"""Metrics: one module per metric, named after the metric.

A metric module implements the interface `Metric`; if a library defines the metric, the module uses
that library. The reported score is computed through the library `evaluate` (see `evaluation`);
`statistics` and `value` compute the same score from sums of sufficient statistics, so that the
bootstrap can resample without `evaluate`. A test checks that the score from `evaluate` and the
score from the statistics agree. At the top level, a metric module imports no large library except
numpy.
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
    evaluate_columns,
    evaluation_rows,
    main_scores,
    rounded,
    sample,
    score,
    spread,
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
    "evaluate_columns",
    "evaluation",
    "evaluation_rows",
    "load",
    "main_scores",
    "rounded",
    "sample",
    "score",
    "spread",
    "write_labels",
    "write_predictions",
]


class Metric(Protocol):
    """The interface of a metric module.

    A metric module may also define two functions: `options(rows)` returns extra arguments for
    `compute`, such as the tokenizer of BLEU; `signature(rows)` returns the signature that sacrebleu
    recommends reporting with a score.
    """

    TITLE: str
    """The name of the metric in reports."""
    HINT: str
    """A short note on how to interpret a score, such as `0 to 100`."""
    DECIMALS: int
    """Number of decimals of a score in reports."""
    LOWER_IS_BETTER: bool
    INPUTS: Mapping[str, str | list[str]]
    """The columns that `compute` takes, and their types in the library `datasets`."""

    def columns(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[Any]]:
        """For each column in `INPUTS`, one value per row."""

    def compute(self, **columns: Any) -> float:
        """The score, computed by the metric's reference implementation, if there is one."""

    def statistics(self, rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
        """The sufficient statistics of each row, as a float64 array of shape (rows, k)."""

    def value(self, sums: Array) -> Array:
        """Compute scores, of shape (…), from sums of statistics, of shape (…, k)."""


def load(name: str) -> Metric:
    """Return the metric with this name.

    Raises:
        UnknownName: there is no such metric.
    """
    return cast(Metric, registry.load("metrics", name))


def evaluation(name: str) -> "evaluate.Metric":
    """Return the metric as an `evaluate.Metric`, which also works in `evaluate.combine`.

    The metric is built from its module in this package; nothing is downloaded.

    Raises:
        UnknownName: there is no such metric.
    """
    from tandem.metrics.common.hf import ModuleMetric

    return ModuleMetric(load(name))
