"""The interval of a score: a cluster bootstrap over sums of sufficient statistics.

Rows of one group (document, template, component) are no independent draws, so whole groups are
drawn. The percentile bootstrap is Efron & Tibshirani, An Introduction to the Bootstrap (1993),
ch. 13; resampling a test set to judge a corpus score such as BLEU is Koehn, Statistical
Significance Tests for Machine Translation Evaluation (EMNLP 2004).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 1000  # Koehn (2004) and sacrebleu draw as many; 95 % ends then rest on 25 draws each
LEVEL = 0.95
BLOCK = 250  # resamples at once: 250 × 36,000 groups of 8 bytes are 72 MB


def bootstrap_interval(
    statistics: Array, groups: Sequence[str], value: Callable[[Array], Any], seed: int
) -> tuple[float, float] | None:
    """The 95 % percentile interval of `value` of the summed `statistics` (rows, k).

    None if there are fewer than two groups: one cluster tells nothing of its spread.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return None
    sums = np.zeros((len(names), statistics.shape[1]))
    np.add.at(sums, member, statistics)
    random = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))
    blocks = [
        value(random.multinomial(len(names), even, size=BLOCK) @ sums)
        for _ in range(RESAMPLES // BLOCK)
    ]
    drawn = np.concatenate(blocks)
    low, high = np.quantile(drawn[~np.isnan(drawn)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def safe_divide(part: Any, whole: Any, empty: float) -> Array:
    """`part / whole`, and `empty` where the whole is zero; shapes (…) as given."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    fallback = np.full(np.broadcast_shapes(part.shape, whole.shape), empty)
    np.divide(part, whole, out=fallback, where=whole != 0)
    return fallback
