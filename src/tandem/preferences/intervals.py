"""Metrics of preference pairs and of samples, with confidence intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem import metrics
from tandem.core.determinism import derived_seed
from tandem.core.params import Runtime
from tandem.metrics import pair_accuracy
from tandem.metrics.common.statistics import Array, safe_divide
from tandem.preferences.pairs import Pair


def rate(
    table: Array,
    groups: Sequence[str],
    runtime: Runtime,
    *names: str,
    point: float | None = None,
) -> dict[str, Any]:
    """The ratio of the sums of the two columns of `table`, with its confidence interval.

    Args:
        table: numerator and denominator of each row; shape: (rows, 2).
        groups: the group of each row, the unit of the bootstrap.
        runtime: its seed and `names` together seed the bootstrap.
        names: the name of the metric, in one or more parts.
        point: the rate, if a library has already computed it.
    """
    seed = derived_seed(runtime.seed, "interval", *names)
    estimated = metrics.estimate(
        table, groups, lambda sums: safe_divide(sums[..., 0], sums[..., 1], np.nan), seed, point
    )
    return estimated | {"seed": runtime.seed}


def mean(values: Any, groups: Sequence[str], runtime: Runtime, *names: str) -> dict[str, Any]:
    """The mean of `values` with its confidence interval; see `rate` for the other arguments."""
    column = np.asarray(values, dtype=float)
    return rate(np.column_stack([column, np.ones(len(column))]), groups, runtime, *names)


def win_rate(
    scores: Sequence[float],
    base_scores: Sequence[float],
    groups: Sequence[str],
    runtime: Runtime,
    name: str,
) -> dict[str, Any]:
    """The fraction of rows with a score above the base model's; a tie counts as half a win."""
    pairs = [{"chosen": s, "rejected": b} for s, b in zip(scores, base_scores, strict=True)]
    return _pair_accuracy(pairs, groups, runtime, "win_rate", name)


def pair_accuracies(
    pairs: Sequence[Pair], chosen: Sequence[float], rejected: Sequence[float], runtime: Runtime
) -> metrics.Scores:
    """`pair_accuracy` over all pairs, and `pair_accuracy/DOMAIN` if there are several domains.

    No text occurs in two pairs, so each pair is a unit of the bootstrap.
    """
    domains = sorted({pair.domain for pair in pairs})
    scores = {}
    for domain in ["", *domains] if len(domains) > 1 else [""]:
        label = f"pair_accuracy/{domain}" if domain else "pair_accuracy"
        indices = [i for i, pair in enumerate(pairs) if domain in ("", pair.domain)]
        predictions = [{"chosen": chosen[i], "rejected": rejected[i]} for i in indices]
        groups = [pairs[i].group for i in indices]
        scores[label] = _pair_accuracy(predictions, groups, runtime, label)
    return scores


def _pair_accuracy(
    predictions: Sequence[dict[str, float]], groups: Sequence[str], runtime: Runtime, *names: str
) -> dict[str, Any]:
    """The pair accuracy, computed by the library `evaluate`, with its confidence interval."""
    point = metrics.evaluate_columns("pair_accuracy", pair_accuracy.columns([], predictions))
    table = pair_accuracy.statistics([], predictions)
    return rate(table, groups, runtime, *names, point=point)
