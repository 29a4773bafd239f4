"""N-gram: how well the last bytes alone foretell the next one.

A byte model with interpolated modified Kneser–Ney smoothing (Chen & Goodman 1999, §3). After any
bytes whatever, the chances of the 256 next ones and of the text's end sum to one: it is a true
distribution over all byte strings, and its bits per byte compare with any model's that scores a
text's end, as the causal family does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "byte n-grams"

ORDER = 6  # bytes of context: with the next one, 7 symbols of 9 bits, as many as 64 bits hold
BITS = 9
EDGE = 256  # the symbol after a text, and before it as often as a context reaches back

Codes = NDArray[np.uint64]


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: BaselineContext
) -> list[dict[str, Any]]:
    """The bits that each test row's text costs, and its bytes."""
    model = ByteModel([row.text for row in train])
    return [
        {"bits": model.bits(row.text.encode()), "bytes": len(row.text.encode())} for row in test
    ]


class ByteModel:
    """Chances of the next symbol after up to `ORDER` others, learnt from `texts`."""

    def __init__(self, texts: Sequence[str]) -> None:
        grams = np.concatenate([_grams(text.encode(), ORDER) for text in texts])
        seen, counts = np.unique(grams, return_counts=True)
        levels = [_Level(seen, counts)]
        for order in reversed(range(ORDER)):
            # below the longest context, a gram counts once for each symbol it was seen after
            seen, counts = np.unique(seen & _mask(order), return_counts=True)
            levels.append(_Level(seen, counts))
        self.levels = levels[::-1]

    def bits(self, text: bytes) -> float:
        """The negative log₂-likelihood of `text` and its end."""
        return float(-np.log2(self.chances(text)).sum())

    def chances(self, text: bytes) -> NDArray[np.float64]:
        """The chance of each byte, and of the end, after the bytes before it (bytes + 1,)."""
        chance = np.full(len(text) + 1, 1 / (EDGE + 1))
        for order, level in enumerate(self.levels):
            chance = level.interpolate(_grams(text, order), chance)
        return chance


class _Level:
    """Grams of one length, sorted, and what their contexts keep for the shorter ones."""

    def __init__(self, grams: Codes, counts: NDArray[np.int64]) -> None:
        self.grams = grams
        discount = _discounts(counts)[np.minimum(counts, 3)]
        self.kept = np.append(counts - discount, 0.0)
        self.contexts, first = np.unique(grams >> np.uint64(BITS), return_index=True)
        self.totals = np.append(np.add.reduceat(counts, first), 1.0)
        self.passed = np.append(np.add.reduceat(discount, first), 1.0)

    def interpolate(self, grams: Codes, shorter: NDArray[np.float64]) -> NDArray[np.float64]:
        """Chances by this context's counts, its discounts spread as `shorter` says.

        A context never seen passes everything on.
        """
        kept = self.kept[_find(self.grams, grams)]
        at = _find(self.contexts, grams >> np.uint64(BITS))
        mixed: NDArray[np.float64] = (kept + self.passed[at] * shorter) / self.totals[at]
        return mixed


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is taken off a count of 0, 1, 2, 3 or more: Chen & Goodman 1999, equation 26."""
    once, twice, thrice, often = (int((counts == n).sum()) for n in (1, 2, 3, 4))
    if not all((once, twice, thrice)):
        return np.array([0.0, 0.5, 0.5, 0.5])  # too few grams to tell
    share = once / (once + 2 * twice)
    found = [0.0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice]
    return np.clip([*found, 3 - 4 * share * often / thrice], 0.0, [0.0, 1.0, 2.0, 3.0])


def _grams(text: bytes, order: int) -> Codes:
    """For each byte and the end, itself in the lowest bits, `order` symbols before it above."""
    edge = np.array([EDGE], np.uint64)
    inner = np.frombuffer(text, np.uint8).astype(np.uint64)
    symbols = np.concatenate([edge.repeat(order), inner, edge])
    codes = np.zeros(len(text) + 1, np.uint64)
    for back in range(order + 1):
        codes |= symbols[order - back : len(symbols) - back] << np.uint64(BITS * back)
    return codes


def _mask(order: int) -> np.uint64:
    return np.uint64((1 << BITS * (order + 1)) - 1)


def _find(table: Codes, wanted: Codes) -> NDArray[np.intp]:
    """Where each of `wanted` stands in the sorted `table`; its length where it does not."""
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[at] == wanted, at, len(table))
