"""chrF of the whole test set, 0 to 100 (sacrebleu; Popović 2015, with β = 2 as in Popović 2016)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.bleu import INPUTS, columns
from tandem.metrics.common.statistics import Array, safe_divide

__all__ = [
    "DECIMALS",
    "HINT",
    "INPUTS",
    "LOWER_IS_BETTER",
    "TITLE",
    "columns",
    "compute",
    "signature",
    "statistics",
    "value",
]

TITLE = "chrF"
HINT = "0 to 100"
DECIMALS = 1
LOWER_IS_BETTER = False
ORDERS = 6
BETA = 2


def compute(predictions: list[str], references: list[str]) -> float:
    """The corpus score."""
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(predictions, [references]).score)


def signature(_: Sequence[Any]) -> str:
    """The signature that sacrebleu recommends reporting with a score."""
    from sacrebleu.metrics import CHRF

    scorer = CHRF()
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """The character n-gram counts of each row, as an array of shape (rows, 18).

    For each n = 1…6, there are three counts: the n-grams in the translation, the n-grams in the
    reference, and the matched n-grams.
    """
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    table = np.zeros((len(rows), ORDERS, 3))
    texts = columns(rows, predictions).values()
    for line, translation, reference in zip(table, *texts, strict=True):
        ngrams = (extract_all_char_ngrams(t, ORDERS, False) for t in (translation, reference))
        for order, (predicted, true) in enumerate(zip(*ngrams, strict=True)):
            # as in sacrebleu, a translation's n-grams are ignored if the reference has no n-grams
            # of the same order
            counted = predicted.total() if true else 0
            line[order] = counted, true.total(), (predicted & true).total()
    return table.reshape(len(rows), 3 * ORDERS)


def value(sums: Array) -> Array:
    """The F₂ score of the mean precision and the mean recall over the n-gram orders.

    An n-gram order counts only if both the translations and the references contain such n-grams.
    """
    predicted, true, matches = np.moveaxis(sums.reshape(*sums.shape[:-1], ORDERS, 3), -1, 0)
    counted = (predicted > 0) & (true > 0)
    orders = counted.sum(-1)
    precision = safe_divide(
        (safe_divide(matches, predicted, 0.0) * counted).sum(-1), orders, empty=0.0
    )
    recall = safe_divide((safe_divide(matches, true, 0.0) * counted).sum(-1), orders, empty=0.0)
    score = safe_divide((1 + BETA**2) * precision * recall, BETA**2 * precision + recall, empty=0.0)
    return 100 * score
