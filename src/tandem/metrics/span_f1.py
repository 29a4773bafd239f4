"""Span F1: micro F1 of spans that are right in start, end and label (seqeval's f1_score).

seqeval reads a tag a token. Spans here lie on characters, so each character is a token: no
tokenizer's borders can make a wrong span right.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.metrics.common.statistics import Array, safe_divide

TITLE = "Span F1"
HINT = "start, end and label correct"
DECIMALS = 3
LOWER_IS_BETTER = False
INPUTS = {"predictions": ["string"], "references": ["string"]}


def columns(rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[list[str]]]:
    """A tag in the IOB2 scheme for each character of each text."""
    pairs = list(zip(rows, predictions, strict=True))
    return {
        "predictions": [_tags(len(row.text), answer["spans"]) for row, answer in pairs],
        "references": [_tags(len(row.text), _spans(row)) for row, _ in pairs],
    }


def compute(predictions: list[list[str]], references: list[list[str]]) -> float:
    """The library's score, 0 to 1; 1 where there is no span on either side."""
    from seqeval.metrics import f1_score

    if all(tag == "O" for tags in [*predictions, *references] for tag in tags):
        return 1.0
    return float(f1_score(references, predictions, average="micro", zero_division=0))


def statistics(rows: Sequence[Any], predictions: Sequence[Any]) -> Array:
    """(rows, 3): spans hit, answered and true."""
    table = np.zeros((len(rows), 3))
    for line, row, answer in zip(table, rows, predictions, strict=True):
        answered, true = {tuple(span) for span in answer["spans"]}, set(_spans(row))
        line[:] = len(answered & true), len(answered), len(true)
    return table


def value(sums: Array) -> Array:
    """Twice the hits over all spans of both sides."""
    return safe_divide(2 * sums[..., 0], sums[..., 1] + sums[..., 2], empty=1.0)


def _spans(row: Any) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in row.spans]


def _tags(length: int, spans: Sequence[Any]) -> list[str]:
    """B-label at a span's first character, I-label at its others, O elsewhere."""
    tags = ["O"] * length
    for start, end, label in spans:
        if not 0 <= start < end <= length or any(tag != "O" for tag in tags[start:end]):
            raise ValueError(f"span {start}–{end} is empty, overlaps another or leaves the text")
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags
