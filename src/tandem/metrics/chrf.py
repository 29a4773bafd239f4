"""chrF of the whole test set, 0 to 100 (sacrebleu; Popović 2015, with β 2 as in Popović 2016)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.bleu import INPUTS, columns
from tandem.metrics.common.statistics import Array, safe_divide

__all__ = ["INPUTS", "columns", "compute", "signature", "statistics", "value"]

ORDERS = 6
BETA = 2


def compute(predictions: list[str], references: list[str]) -> float:
    """The library's corpus score."""
    from sacrebleu.metrics import CHRF

    return float(CHRF().corpus_score(predictions, [references]).score)


def signature(_: Sequence[Any]) -> str:
    """What sacrebleu asks to be told beside a score."""
    from sacrebleu.metrics import CHRF

    scorer = CHRF()
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 18): character n-grams answered, wanted and hit, for each n of 1 to 6."""
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    table = np.zeros((len(rows), ORDERS, 3))
    for line, answer, truth in zip(table, *columns(rows, predictions).values(), strict=True):
        both = (extract_all_char_ngrams(text, ORDERS, False) for text in (answer, truth))
        for order, (answered, wanted) in enumerate(zip(*both, strict=True)):
            # as sacrebleu: no n-gram of an order counts against an answer if the reference has none
            named = answered.total() if wanted else 0
            line[order] = named, wanted.total(), (answered & wanted).total()
    return table.reshape(len(rows), 3 * ORDERS)


def value(sums: Array) -> Array:
    """F₂ of the precisions' and recalls' means over the orders that both sides have."""
    answered, wanted, hit = np.moveaxis(sums.reshape(*sums.shape[:-1], ORDERS, 3), -1, 0)
    counted = (answered > 0) & (wanted > 0)
    orders = counted.sum(-1)
    precision = safe_divide((safe_divide(hit, answered, 0.0) * counted).sum(-1), orders, empty=0.0)
    recall = safe_divide((safe_divide(hit, wanted, 0.0) * counted).sum(-1), orders, empty=0.0)
    score = safe_divide((1 + BETA**2) * precision * recall, BETA**2 * precision + recall, empty=0.0)
    return 100 * score
