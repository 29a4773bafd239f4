"""Predict spans with a linear classifier that tags each word, given the word and its neighbors."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from tandem.modeling.bio_tags import Bounds, spans_of, tags_of

WORD = re.compile(r"\w+|[^\w\s]")
OFFSETS = (-2, -1, 0, 1, 2)
"""Positions, relative to a word, of the words that serve as its features."""


def tag(train: Sequence[Any], test: Sequence[Any], seed: int) -> list[list[list[Any]]]:
    """Predict the spans [start, end, label] of each test row, sorted and disjoint."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    tags = [name for row in train for name in tags_of(row.spans, word_bounds(row.text))]
    if len(set(tags)) < 2:
        return [[] for _ in test]
    model = make_pipeline(CountVectorizer(analyzer=list), LinearSVC(C=0.3, random_state=seed))
    model.fit([features for row in train for features in _features(row.text)], tags)
    predicted = iter(model.predict([words for row in test for words in _features(row.text)]))
    bounds = [word_bounds(row.text) for row in test]
    return [spans_of(islice(predicted, len(words)), words) for words in bounds]


def word_bounds(text: str) -> list[Bounds]:
    """The start and end of each word of `text`; each punctuation mark counts as a word."""
    return [match.span() for match in WORD.finditer(text)]


def _features(text: str) -> Iterator[list[str]]:
    """The features of each word: the word, its neighbors and suffix, and whether it is a number."""
    words = ["", "", *WORD.findall(text.lower()), "", ""]
    for index in range(2, len(words) - 2):
        context = [f"{offset}:{words[index + offset]}" for offset in OFFSETS]
        word = words[index]
        yield [*context, f"ending:{word[-3:]}", f"number:{word.isdecimal()}"]
