"""Spans by a linear classifier of words: each is tagged by itself and its neighbours alone."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

WORD = re.compile(r"\w+|[^\w\s]")
AROUND = (-2, -1, 0, 1, 2)


def tag(train: Sequence[Any], test: Sequence[Any], seed: int) -> list[list[list[Any]]]:
    """The spans [start, end, label] of each test row, sorted and disjoint."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    tags = [name for row in train for name in _tags(row)]
    if len(set(tags)) < 2:
        return [[] for _ in test]
    model = make_pipeline(CountVectorizer(analyzer=list), LinearSVC(C=0.3, random_state=seed))
    model.fit([features for row in train for features in _features(row.text)], tags)
    found = iter(model.predict([features for row in test for features in _features(row.text)]))
    return [_spans(row.text, found) for row in test]


def _tags(row: Any) -> Iterator[str]:
    """B-label for a span's first word, I-label for its others, O elsewhere."""
    for word in WORD.finditer(row.text):
        inside = [s for s in row.spans if s.start < word.end() and word.start() < s.end]
        first = inside and word.start() <= inside[0].start
        yield f"{'B' if first else 'I'}-{inside[0].label}" if inside else "O"


def _features(text: str) -> Iterator[list[str]]:
    """What is seen of each word: the words around it, its ending, whether it is a number."""
    words = ["", "", *WORD.findall(text.lower()), "", ""]
    for at in range(2, len(words) - 2):
        around = [f"{step}:{words[at + step]}" for step in AROUND]
        yield [*around, f"ending:{words[at][-3:]}", f"number:{words[at].isdecimal()}"]


def _spans(text: str, tags: Iterator[str]) -> list[list[Any]]:
    """The spans that the next tags, one a word of `text`, stand for."""
    spans: list[list[Any]] = []
    before = "O"
    for word, name in zip(WORD.finditer(text), tags, strict=False):
        label = name[2:]
        if name.startswith("I-") and before[2:] == label:
            spans[-1][1] = word.end()
        elif label:
            spans.append([word.start(), word.end(), label])
        before = name
    return spans
