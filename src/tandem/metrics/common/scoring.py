"""Score predictions by all metrics of a task, in one way for models and baselines."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from tandem.core import paths, registry
from tandem.core.determinism import derived_seed
from tandem.core.errors import DataError
from tandem.core.params import Runtime
from tandem.core.rows import Row, hash_sample, read_rows, row_ids
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.metrics.common.statistics import Array, bootstrap_interval

MAX_DOMAINS = 8  # more parts than this have too few rows each to tell anything
MAIN = 2  # more metrics per task make the table of `dvc metrics show` wider than a terminal
DIGITS = 6  # what lies below is noise of the order in which a machine sums
DIVERGED = "A model whose training diverged answers so: lower its learning_rate"

Scores = dict[str, dict[str, Any]]


class EvaluationParams(StrictModel):
    """Which test rows are scored, the same for baselines and all variants."""

    __test__ = False  # the name is no call to pytest

    max_rows: int | None = Field(ge=1)
    """Rows at the most, the first in the order of their ids' hashes; null takes all."""
    batch_size: int = Field(ge=1)
    """Rows that a model answers at once."""


def sample(rows: Sequence[Row], most: int | None, where: str = "the test rows") -> list[Row]:
    """The first `most` rows in the order of their ids' hashes, in their old order.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError(f"{where} is empty: there is nothing to score. Give the task more rows")
    chosen = set(row_ids(hash_sample(rows, most)))
    return [row for row in rows if row.id in chosen]


def evaluation_rows(task: BaseTask, limit: int | None) -> list[Row]:
    """The test rows of `task` that models and baselines are scored on.

    Raises:
        StageError: the table is missing.
        DataError: it has no rows.
    """
    source = paths.split(task.name) / "test.parquet"
    return sample(read_rows(source, task.row), limit, str(source))


def score(
    task: BaseTask, rows: Sequence[Row], predictions: Sequence[Any], runtime: Runtime
) -> tuple[Scores, dict[str, Array]]:
    """Score `predictions` by every metric of `task`, over all rows and by domain.

    Returns the scores, `{"accuracy": {value, low, high, n, seed}, "accuracy/movie": …}`, and each
    metric's statistics (rows, k). The resamples depend on seed, task and metric alone, so that
    all variants are judged on the same draws.

    Raises:
        DataError: no rows, not one prediction a row, or a score that is not a number.
    """
    if not rows or len(rows) != len(predictions):
        raise DataError(f"{task.name}: {len(predictions)} answers to {len(rows)} test rows")
    scores: Scores = {}
    tables: dict[str, Array] = {}
    for name in task.metrics:
        metric = registry.load("metrics", name)
        tables[name] = metric.statistics(rows, predictions)
        for part, chosen in _parts(rows).items():
            label = f"{name}/{part}" if part else name
            seed = derived_seed(runtime.seed, "interval", task.name, label)
            groups = [row.group for row, taken in zip(rows, chosen, strict=True) if taken]
            found = estimate(tables[name][chosen], groups, metric.value, seed)
            if not math.isfinite(found["value"]):
                raise DataError(f"{task.name}: {label} is not a number. {DIVERGED}")
            scores[label] = found | {"seed": runtime.seed}
        if hasattr(metric, "signature"):
            scores[name]["signature"] = metric.signature(rows)
    return scores, tables


def main_scores(task: BaseTask, scores: Scores) -> dict[str, float]:
    """The values of the task's first two metrics over all rows, out of what `score` returned."""
    return {name: scores[name]["value"] for name in task.metrics[:MAIN]}


def difference(
    task: BaseTask,
    rows: Sequence[Row],
    tables: Mapping[str, Array],
    others: Mapping[str, Array],
    runtime: Runtime,
) -> Scores:
    """By how much each metric is higher with statistics `tables` than with `others` (rows, k).

    Both are of the same `rows`, as `score` returns them, and are resampled together: what makes
    rows hard for both does not widen the interval (paired bootstrap, Koehn 2004, section 4). 0 is
    outside it where the two differ beyond chance.
    """
    found = {}
    for name in task.metrics:
        value, width = registry.load("metrics", name).value, tables[name].shape[1]
        found[name] = (
            estimate(
                np.hstack([tables[name], others[name]]),
                [row.group for row in rows],
                lambda sums, value=value, width=width: (  # type: ignore[misc]
                    value(sums[..., :width]) - value(sums[..., width:])
                ),
                derived_seed(runtime.seed, "interval", task.name, name),
            )
            | {"seed": runtime.seed}
        )
    return found


def _parts(rows: Sequence[Row]) -> dict[str, Any]:
    """All rows under "", and those of each domain where there are a few."""
    domains = np.array([row.domain for row in rows])
    names = sorted(set(domains.tolist()))
    few = names if 1 < len(names) <= MAX_DOMAINS else []
    return {"": np.full(len(rows), True)} | {name: domains == name for name in few}


def estimate(
    statistics: Array, groups: Sequence[str], value: Callable[[Array], Any], seed: int
) -> dict[str, Any]:
    """The value of summed `statistics` (rows, k) with its interval: value, low, high, n."""
    point = float(value(statistics.sum(axis=0)))
    ends = bootstrap_interval(statistics, groups, value, seed) if math.isfinite(point) else None
    low, high = ends or (None, None)
    return {
        "value": rounded(point),
        "low": rounded(low),
        "high": rounded(high),
        "n": len(statistics),
    }


def rounded(value: float | None) -> float | None:
    """`value` to six decimals."""
    return None if value is None else round(value, DIGITS)
