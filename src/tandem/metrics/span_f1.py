"""Span F1: micro F1 of spans; start, end and label must be correct (seqeval's f1_score).

seqeval reads one tag per token. This metric treats each character as a token, because spans are
given as character offsets; a wrong span is therefore never scored as correct because of token
boundaries.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tandem.core.rows import Span
from tandem.metrics.common.statistics import Array, safe_divide
from tandem.modeling.bio_tags import OUTSIDE, tags_of

TITLE = "Span F1"
HINT = "F1 of spans; a correct span has the right start, end and label"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"predictions": ["string"], "references": ["string"]}


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[list[str]]]:
    """The BIO tag of each character of each text.

    Raises:
        ValueError: a predicted span is empty, overlaps another or extends beyond the text.
    """
    predicted = [
        [Span(start=start, end=end, label=label) for start, end, label in prediction["spans"]]
        for prediction in predictions
    ]
    return {
        "predictions": [_tags(row, spans) for row, spans in zip(rows, predicted, strict=True)],
        "references": [_tags(row, row.spans) for row in rows],
    }


def compute(predictions: list[list[str]], references: list[list[str]]) -> float:
    """The score, 0 to 1; 1 if there are neither predicted nor true spans."""
    from seqeval.metrics import f1_score

    if all(tag == OUTSIDE for tags in [*predictions, *references] for tag in tags):
        return 1.0
    return float(f1_score(references, predictions, average="micro", zero_division=0))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """The numbers of correct, predicted and true spans of each row, of shape (rows, 3)."""
    table = np.zeros((len(rows), 3))
    for line, row, prediction in zip(table, rows, predictions, strict=True):
        predicted = {tuple(span) for span in prediction["spans"]}
        true = {(span.start, span.end, span.label) for span in row.spans}
        line[:] = len(predicted & true), len(predicted), len(true)
    return table


def value(sums: Array) -> Array:
    """2 · correct / (predicted + true), where each term is a number of spans."""
    return safe_divide(2 * sums[..., 0], sums[..., 1] + sums[..., 2], empty=1.0)


def _tags(row: Any, spans: Sequence[Span]) -> list[str]:
    length = len(row.text)
    ordered = sorted(spans, key=lambda span: span.start)
    invalid = [span for span in ordered if not 0 <= span.start < span.end <= length]
    invalid += [span for before, span in pairwise(ordered) if span.start < before.end]
    if invalid:
        start, end = invalid[0].start, invalid[0].end
        raise ValueError(
            f"span {start}–{end} is empty, overlaps another or extends beyond the text"
        )
    return tags_of(spans, [(index, index + 1) for index in range(length)])
