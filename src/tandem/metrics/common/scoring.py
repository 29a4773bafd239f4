"""Score predictions with all metrics of a task, in the same way for models and baselines."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tandem.core import paths, registry
from tandem.core.determinism import derived_seed
from tandem.core.errors import DataError
from tandem.core.params import Runtime
from tandem.core.rows import Row, hash_sample, read_rows, row_ids
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.metrics.common.statistics import Array, bootstrap_interval

MAX_DOMAINS = 8  # with more domains, each has too few rows for a meaningful score
MAX_MAIN_METRICS = 2  # with more metrics, the table of `dvc metrics show` is wider than a terminal
DIGITS = 6  # further digits depend on the order in which a machine adds numbers

Scores = dict[str, dict[str, Any]]


class EvaluationParams(StrictModel):
    """Which test rows are scored; baselines and all variants of a model use the same rows."""

    max_rows: int | None = Field(ge=1)
    """Maximum number of test rows to score (those with the lowest hashed ids); null: all rows."""
    batch_size: int = Field(ge=1)
    """Number of rows per batch during prediction."""


def sample(rows: Sequence[Row], limit: int | None, source: str = "the test rows") -> list[Row]:
    """The `limit` rows with the lowest hashed ids, in the original order; None: all rows.

    Raises:
        DataError: `rows` is empty; the message names `source`.
    """
    if not rows:
        raise DataError(f"{source}: there are no rows to score. Give the task more rows")
    chosen = set(row_ids(hash_sample(rows, limit)))
    return [row for row in rows if row.id in chosen]


def evaluation_rows(task: BaseTask, limit: int | None) -> list[Row]:
    """The test rows of `task` that models and baselines are scored on.

    Raises:
        StageError: the table of test rows is missing.
        DataError: the table of test rows is empty.
    """
    source = paths.split(task.name) / "test.parquet"
    return sample(read_rows(source, task.row), limit, str(source))


def score(
    task: BaseTask, rows: Sequence[Row], predictions: Sequence[Any], runtime: Runtime
) -> tuple[Scores, dict[str, Array]]:
    """Score `predictions` with every metric of `task`, over all rows and by domain.

    The Hugging Face library `evaluate` computes the scores; their intervals are computed
    from the metrics' sufficient statistics. The resamples depend only on the seed, the task, the
    metric and the domain, so all variants of a model are scored on the same resamples.

    Returns:
        The scores, `{"accuracy": {value, low, high, n, seed}, "accuracy/movie": …}`, and each
        metric's sufficient statistics, of shape (rows, k).

    Raises:
        DataError: there are no rows, the number of predictions differs from the number of rows, or
            a score is not a number.
    """
    if not rows or len(rows) != len(predictions):
        raise DataError(f"{task.name}: {len(predictions)} predictions, but {len(rows)} test rows")
    scores: Scores = {}
    tables: dict[str, Array] = {}
    for name in task.metrics:
        metric = registry.load("metrics", name)
        tables[name] = metric.statistics(rows, predictions)
        columns = metric.columns(rows, predictions)
        # Options such as BLEU's tokenizer are derived from all rows, so they are equal for all
        # domains.
        options = metric.options(rows) if hasattr(metric, "options") else {}
        for domain, chosen in _domains(rows).items():
            label = f"{name}/{domain}" if domain else name
            seed = derived_seed(runtime.seed, "interval", task.name, label)
            groups = [row.group for row, taken in zip(rows, chosen, strict=True) if taken]
            point = evaluate_columns(name, _select(columns, chosen), **options)
            estimated = estimate(tables[name][chosen], groups, metric.value, seed, point)
            if not math.isfinite(point):
                raise DataError(
                    f"{task.name}: {label} is not a number, probably because training diverged; "
                    "lower the task's learning_rate"
                )
            scores[label] = estimated | {"seed": runtime.seed}
        if hasattr(metric, "signature"):
            scores[name]["signature"] = metric.signature(rows)
    return scores, tables


def evaluate_columns(name: str, columns: Mapping[str, Sequence[Any]], **options: Any) -> float:
    """The score of the metric `name`, computed by `evaluate` from the columns in its `INPUTS`."""
    from tandem.metrics import evaluation  # slow to import: it imports `evaluate`

    return float(evaluation(name).compute(**columns, **options)[name])


def main_scores(task: BaseTask, scores: Scores) -> dict[str, float]:
    """The scores of the main metrics of `task` (those listed first) over all rows."""
    return {name: scores[name]["value"] for name in task.metrics[:MAX_MAIN_METRICS]}


def difference(
    task: BaseTask,
    rows: Sequence[Row],
    tables: Mapping[str, Array],
    baseline: Mapping[str, Array],
    runtime: Runtime,
) -> Scores:
    """For each metric, the difference between the scores of two sets of predictions.

    `tables` and `baseline` are the statistics that `score` returned for the two sets of predictions
    for the same `rows`. Each difference has a confidence interval. Each bootstrap resample contains
    the same rows for both sets of predictions, so errors that occur in both sets do not widen the
    interval (paired bootstrap, Koehn 2004, section 4). A difference is significant if its interval
    excludes 0.
    """
    differences = {}
    for name in task.metrics:
        value, width = registry.load("metrics", name).value, tables[name].shape[1]
        differences[name] = (
            estimate(
                np.hstack([tables[name], baseline[name]]),
                [row.group for row in rows],
                lambda sums, value=value, width=width: (  # type: ignore[misc]
                    value(sums[..., :width]) - value(sums[..., width:])
                ),
                derived_seed(runtime.seed, "interval", task.name, name),
            )
            | {"seed": runtime.seed}
        )
    return differences


def estimate(
    statistics: Array,
    groups: Sequence[str],
    value: Callable[[Array], Any],
    seed: int,
    point: float | None = None,
) -> dict[str, Any]:
    """A score, the bounds of its interval and the number of rows: `value`, `low`, `high`, `n`.

    Args:
        statistics: sufficient statistics of shape (rows, k).
        groups: the group of each row.
        value: computes scores, of shape (…), from sums of statistics, of shape (…, k).
        seed: seed of the resamples.
        point: the score, if a library has computed it; if it is None, `estimate` computes the
            score from the statistics.
    """
    if point is None:
        point = float(value(statistics.sum(axis=0)))
    interval = bootstrap_interval(statistics, groups, value, seed) if math.isfinite(point) else None
    low, high = interval or (None, None)
    return {
        "value": rounded(point),
        "low": rounded(low),
        "high": rounded(high),
        "n": len(statistics),
    }


def rounded(value: float | None) -> float | None:
    """`value` rounded to six decimals."""
    return None if value is None else round(value, DIGITS)


def _domains(rows: Sequence[Row]) -> dict[str, NDArray[np.bool_]]:
    """Map each scored domain to a mask of its rows, of shape (rows,), and "" to a mask of all rows.

    Domains are only included if there are at least two and at most `MAX_DOMAINS` of them.
    """
    domains = np.array([row.domain for row in rows])
    names = sorted(set(domains.tolist()))
    scored = names if 1 < len(names) <= MAX_DOMAINS else []
    return {"": np.full(len(rows), True)} | {name: domains == name for name in scored}


def _select(
    columns: Mapping[str, Sequence[Any]], chosen: NDArray[np.bool_]
) -> dict[str, list[Any]]:
    """For each column, the values in the rows that the mask `chosen`, of shape (rows,), selects."""
    return {
        name: [value for value, taken in zip(column, chosen, strict=True) if taken]
        for name, column in columns.items()
    }


def spread(runs: dict[int, Scores]) -> dict[str, Any]:
    """For each metric, the mean and standard deviation across seeds, and the score of each seed.

    >>> runs = {13: {"accuracy": {"value": 0.5}}, 14: {"accuracy": {"value": 0.75}}}
    >>> spread(runs)["accuracy"]["mean"]
    0.625
    """
    by_metric = {
        metric: {str(seed): scores[metric]["value"] for seed, scores in runs.items()}
        for metric in next(iter(runs.values()))
    }
    return {
        metric: {
            "mean": rounded(statistics.fmean(values.values())),
            "deviation": rounded(statistics.stdev(values.values())),
            "seeds": values,
        }
        for metric, values in by_metric.items()
    }
