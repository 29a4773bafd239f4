"""Spans of a text as BIO tags of its words, and back."""

import functools
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

OUTSIDE = "O"

Word = tuple[int, int, int]
"""The number of a word's first token, and where the word starts and ends in the text."""


def tags_of(spans: Iterable[Any], words: Sequence[Word]) -> list[str]:
    """The BIO tag of each word; a word is in a span if they overlap.

    >>> from tandem.core.rows import Span
    >>> tags_of([Span(start=8, end=19, label="area")], [(1, 0, 7), (2, 8, 14), (3, 15, 19)])
    ['O', 'B-area', 'I-area']
    """
    tags = [OUTSIDE] * len(words)
    for span in spans:
        edge = "B"
        for number, (_, start, end) in enumerate(words):
            if start < span.end and end > span.start:
                tags[number] = f"{edge}-{span.label}"
                edge = "I"
    return tags


def spans_of(tags: Iterable[str], words: Sequence[Word]) -> list[list[Any]]:
    """The spans that BIO tags tell of: whole words, disjoint, in order.

    An I without a span of its label before it begins one, as in the evaluation of CoNLL-2000.

    >>> spans_of(["O", "I-area", "I-area"], [(1, 0, 7), (2, 8, 14), (3, 15, 19)])
    [[8, 19, 'area']]
    """
    spans: list[list[Any]] = []
    before = OUTSIDE
    for tag, (_, start, end) in zip(tags, words, strict=True):
        edge, _, label = tag.partition("-")
        if edge == "I" and before.partition("-")[2] == label:
            spans[-1][1] = end
        elif tag != OUTSIDE:
            spans.append([start, end, label])
        before = tag
    return spans


def adjacency_log_prob(rows: Iterable[Sequence[str]]) -> float:
    """Natural log of how often the word after a span's word begins another span, in BIO tags.

    One is added to both counts, so that what was never seen is not ruled out.

    >>> round(math.exp(touching([["B-a", "I-a", "O", "B-b", "B-a"]])), 2)
    0.5
    """
    after = [tag for row in rows for before, tag in pairwise(row) if before != OUTSIDE]
    return math.log((sum(tag.startswith("B-") for tag in after) + 1) / (len(after) + 1))


def viterbi_decode(
    scores: Tensor, lengths: Sequence[int], tags: Sequence[str], touching: float
) -> list[list[str]]:
    """The likeliest well-formed tags of each text's words (Viterbi 1967), all texts at once.

    `scores` (texts, words, tags) are log-probabilities, of which those after a text's `lengths`
    words mean nothing. An I stands only after a B or I of its label, and a span that begins right
    after another costs `touching`: without it, words that the model has not seen fall apart,
    `reading corner` into a name and an area.
    """
    step = _steps(tuple(tags), touching)
    inside = torch.tensor([tag.startswith("I-") for tag in tags])
    total = scores[:, 0].masked_fill(inside, -torch.inf)
    ends = [total.argmax(dim=1).tolist()]
    back = []
    for score in scores.unbind(dim=1)[1:]:
        best = (total[:, :, None] + step).max(dim=1)
        total = best.values + score
        ends.append(total.argmax(dim=1).tolist())
        back.append(best.indices.tolist())
    paths = []
    for text, length in enumerate(lengths):
        path = [ends[length - 1][text]] if length else []
        for came in reversed(back[: max(length - 1, 0)]):
            path.append(came[text][path[-1]])
        paths.append([tags[number] for number in reversed(path)])
    return paths


@functools.cache
def _steps(tags: tuple[str, ...], touching: float) -> Tensor:
    """What a step from one tag to another adds to a path's score, (tags, tags)."""
    step = torch.zeros(len(tags), len(tags))
    for i, before in enumerate(tags):
        for j, tag in enumerate(tags):
            if tag.startswith("I-") and before[2:] != tag[2:]:
                step[i, j] = -torch.inf
            elif tag.startswith("B-") and before != OUTSIDE:
                step[i, j] = touching
    return step
