"""Convert spans of a text to BIO tags, one per word, and back.

`B-LABEL` marks the first word of a span, `I-LABEL` its other words, `O` all words outside spans.
This module does not import torch; the decoding of tag scores, which needs torch, is in
`tandem.modeling.viterbi`.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from tandem.core.rows import Span

OUTSIDE = "O"

Bounds = tuple[int, int]
"""The start and end of a word in its text, as character offsets."""


def tags_of(spans: Iterable[Span], words: Sequence[Bounds]) -> list[str]:
    """The BIO tag of each word; a word belongs to a span if it overlaps the span.

    >>> tags_of([Span(start=8, end=19, label="area")], [(0, 7), (8, 14), (15, 19)])
    ['O', 'B-area', 'I-area']
    """
    tags = [OUTSIDE] * len(words)
    for span in spans:
        prefix = "B"
        for index, (start, end) in enumerate(words):
            if start < span.end and end > span.start:
                tags[index] = f"{prefix}-{span.label}"
                prefix = "I"
    return tags


def spans_of(tags: Iterable[str], words: Sequence[Bounds]) -> list[list[Any]]:
    """Convert BIO tags to disjoint spans of whole words, [start, end, label], in order.

    An I tag that does not continue a span with the same label begins a new span, as in the
    evaluation of CoNLL-2000.

    >>> spans_of(["O", "I-area", "I-area"], [(0, 7), (8, 14), (15, 19)])
    [[8, 19, 'area']]
    """
    spans: list[list[Any]] = []
    previous = OUTSIDE
    for tag, (start, end) in zip(tags, words, strict=True):
        prefix, _, label = tag.partition("-")
        if prefix == "I" and previous.partition("-")[2] == label:
            spans[-1][1] = end
        elif tag != OUTSIDE:
            spans.append([start, end, label])
        previous = tag
    return spans


def adjacency_log_prob(tagged_texts: Iterable[Sequence[str]]) -> float:
    """The log probability, in nats, that the word after a word in a span begins another span.

    The probability is a ratio of two counts, both increased by one, so that it is never zero.

    >>> round(math.exp(adjacency_log_prob([["B-a", "I-a", "O", "B-b", "B-a"]])), 2)
    0.5
    """
    following = [
        tag for tags in tagged_texts for previous, tag in pairwise(tags) if previous != OUTSIDE
    ]
    begins = sum(tag.startswith("B-") for tag in following)
    return math.log((begins + 1) / (len(following) + 1))
