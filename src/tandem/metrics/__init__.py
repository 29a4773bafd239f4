"""Metrics: one a file, each over the library that defines it.

A metric module has, beside its docstring:

    INPUTS      the columns the library takes, and their types in `datasets`
    columns     rows and predictions → those columns
    compute     those columns → the score, by scikit-learn, seqeval or sacrebleu
    statistics  rows and predictions → sufficient statistics, float64 (rows, k)
    value       sums of statistics (…, k) → scores (…)

`value(statistics(…).sum(axis=0))` equals `compute(**columns(…))`; so the bootstrap, and whoever
reads the stored statistics later, need no library. `metrics.evaluation("accuracy")` is the same
metric as an `evaluate.Metric`. Importing a metric costs numpy only: `evaluate` takes seconds.
"""

from typing import TYPE_CHECKING

from tandem.metrics.common.predictions import write_predictions
from tandem.metrics.common.scoring import (
    Scores,
    TestRows,
    difference,
    digits,
    estimate,
    sample,
    score,
)
from tandem.metrics.common.statistics import RESAMPLES, interval

if TYPE_CHECKING:
    import evaluate

__all__ = [
    "RESAMPLES",
    "Scores",
    "TestRows",
    "difference",
    "digits",
    "estimate",
    "evaluation",
    "interval",
    "sample",
    "score",
    "write_predictions",
]


def evaluation(name: str) -> "evaluate.Metric":
    """The metric `name` as an `evaluate.Metric`, offline, alone or in `evaluate.combine`.

    Raises:
        UnknownName: there is no such metric.
    """
    from tandem.core import registry
    from tandem.metrics.common.hf import ModuleMetric

    return ModuleMetric(registry.load("metrics", name))
