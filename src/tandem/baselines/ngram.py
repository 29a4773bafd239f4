"""N-gram: predict each byte from the six bytes before it.

A byte model with interpolated modified Kneser–Ney smoothing (Chen & Goodman 1999, §3). After any
context, the probabilities of the 256 possible next bytes and of the end-of-text symbol sum to 1.
The model is a distribution over all byte strings, so its bits per byte are comparable with those of
any model that scores the end of a text, such as the causal language models.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "byte n-grams"

ORDER = 6  # bytes of context; with the next symbol, 7 symbols of 9 bits, which fit into 64 bits
BITS = 9
EDGE = 256  # the symbol that marks the end of a text, and pads the context before its start

Codes = NDArray[np.uint64]


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Return each test text's negative log₂-likelihood under the model, and its number of bytes."""
    model = ByteModel([row.text for row in train])
    return [
        {"bits": model.bits(row.text.encode()), "bytes": len(row.text.encode())} for row in test
    ]


class ByteModel:
    """A model, learned from `texts`, of the next symbol given up to `ORDER` preceding symbols."""

    def __init__(self, texts: Sequence[str]) -> None:
        grams = np.concatenate([_grams(text.encode(), ORDER) for text in texts])
        seen, counts = np.unique(grams, return_counts=True)
        levels = [_Level(seen, counts)]
        for order in reversed(range(ORDER)):
            # for shorter contexts, an n-gram is counted once per distinct preceding symbol
            seen, counts = np.unique(seen & _mask(order), return_counts=True)
            levels.append(_Level(seen, counts))
        self.levels = levels[::-1]

    def bits(self, text: bytes) -> float:
        """The negative log₂-likelihood of `text` and its end-of-text symbol."""
        return float(-np.log2(self.probs(text)).sum())

    def probs(self, text: bytes) -> NDArray[np.float64]:
        """The probability of each byte and of the end-of-text symbol, given the preceding bytes.

        The array has the shape `(len(text) + 1,)`.
        """
        probs = np.full(len(text) + 1, 1 / (EDGE + 1))
        for order, level in enumerate(self.levels):
            probs = level.interpolate(_grams(text, order), probs)
        return probs


class _Level:
    """The sorted n-grams of one length, and the probability mass discounted in each context."""

    def __init__(self, grams: Codes, counts: NDArray[np.int64]) -> None:
        self.grams = grams
        discount = _discounts(counts)[np.minimum(counts, 3)]
        self.kept = np.append(counts - discount, 0.0)
        self.contexts, first = np.unique(grams >> np.uint64(BITS), return_index=True)
        self.totals = np.append(np.add.reduceat(counts, first), 1.0)
        self.passed = np.append(np.add.reduceat(discount, first), 1.0)

    def interpolate(self, grams: Codes, shorter: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate the probabilities of n-grams of this length with those of shorter n-grams.

        The discounted probability mass is distributed in proportion to `shorter`, the probabilities
        given a context that is one symbol shorter. After a context that does not occur in the
        training texts, the probabilities are those in `shorter`.
        """
        kept = self.kept[_find(self.grams, grams)]
        context = _find(self.contexts, grams >> np.uint64(BITS))
        probs: NDArray[np.float64] = (kept + self.passed[context] * shorter) / self.totals[context]
        return probs


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The discounts for counts of 0, 1, 2, and 3 or more (Chen & Goodman 1999, equation 26)."""
    once, twice, thrice, often = (int((counts == n).sum()) for n in (1, 2, 3, 4))
    if not all((once, twice, thrice)):
        return np.array([0.0, 0.5, 0.5, 0.5])  # too few n-grams to estimate the discounts
    y = once / (once + 2 * twice)
    discounts = [0.0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice]
    return np.clip([*discounts, 3 - 4 * y * often / thrice], 0.0, [0.0, 1.0, 2.0, 3.0])


def _grams(text: bytes, order: int) -> Codes:
    """The n-grams that end at each byte of `text` and at its end-of-text symbol, as integer codes.

    The low bits of a code hold the last symbol; the higher bits hold the `order` symbols before it.
    """
    edge = np.array([EDGE], np.uint64)
    inner = np.frombuffer(text, np.uint8).astype(np.uint64)
    symbols = np.concatenate([edge.repeat(order), inner, edge])
    codes = np.zeros(len(text) + 1, np.uint64)
    for back in range(order + 1):
        codes |= symbols[order - back : len(symbols) - back] << np.uint64(BITS * back)
    return codes


def _mask(order: int) -> np.uint64:
    return np.uint64((1 << BITS * (order + 1)) - 1)


def _find(table: Codes, codes: Codes) -> NDArray[np.intp]:
    """The index of each of `codes` in the sorted `table`, or `len(table)` for a missing code."""
    index = np.minimum(np.searchsorted(table, codes), len(table) - 1)
    return np.where(table[index] == codes, index, len(table))
