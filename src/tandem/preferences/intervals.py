"""Figures with intervals, for what is measured of pairs and of samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem import metrics
from tandem.core.determinism import derived_seed
from tandem.core.params import Runtime
from tandem.metrics import pair_accuracy
from tandem.metrics.common.statistics import Array, safe_divide
from tandem.preferences.pairs import Pair


def rate(table: Array, groups: Sequence[str], runtime: Runtime, *names: str) -> dict[str, Any]:
    """Sum of the first column of `table` (rows, 2) over that of the second, with its interval."""
    seed = derived_seed(runtime.seed, "interval", *names)
    found = metrics.estimate(
        table, groups, lambda s: safe_divide(s[..., 0], s[..., 1], np.nan), seed
    )
    return found | {"seed": runtime.seed}


def mean(values: Any, groups: Sequence[str], runtime: Runtime, *names: str) -> dict[str, Any]:
    """The mean of `values` (rows,), with its interval."""
    column = np.asarray(values, dtype=float)
    return rate(np.column_stack([column, np.ones(len(column))]), groups, runtime, *names)


def win_rate(
    better: Sequence[float],
    worse: Sequence[float],
    groups: Sequence[str],
    runtime: Runtime,
    name: str,
) -> dict[str, Any]:
    """How often the first of two scores is the higher, a tie being half a win."""
    answers = [{"chosen": b, "rejected": w} for b, w in zip(better, worse, strict=True)]
    return rate(pair_accuracy.statistics([], answers), groups, runtime, "win_rate", name)


def pair_accuracies(
    pairs: Sequence[Pair], chosen: Sequence[float], rejected: Sequence[float], runtime: Runtime
) -> metrics.Scores:
    """`pair_accuracy` over all pairs, and `pair_accuracy/DOMAIN` where there are several domains.

    Pairs are disjoint, so the bootstrap draws pairs.
    """
    domains = sorted({pair.domain for pair in pairs})
    scores = {}
    for part in ["", *domains] if len(domains) > 1 else [""]:
        label = f"pair_accuracy/{part}" if part else "pair_accuracy"
        places = [i for i, pair in enumerate(pairs) if part in ("", pair.domain)]
        answers = [{"chosen": chosen[i], "rejected": rejected[i]} for i in places]
        table = pair_accuracy.statistics([], answers)
        scores[label] = rate(table, [pairs[i].group for i in places], runtime, label)
    return scores
