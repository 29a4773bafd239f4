"""Lexicon: word by word, each by its likeliest translation under IBM model 1.

The alignment is that of `modeling.translation.word_alignment`, without the preference for the
diagonal (Brown et al. 1993). Order, spaces and `{placeholders}` are those of the source; an unknown
word is copied.
"""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import PLACEHOLDER, BaseTask

LABEL = "word by word"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: BaselineContext
) -> list[dict[str, Any]]:
    """Each row's words, each translated alone."""
    from tandem.modeling.translation import word_alignment

    cut = [(word_alignment.words(row.text), word_alignment.words(row.target)) for row in train]
    cut = [pair for pair in cut if all(pair)]
    cases = word_alignment.Truecaser([target for _, target in cut])
    keyed = [
        ([word_alignment.key(w) for w in source], [word_alignment.key(w) for w in target])
        for source, target in cut
    ]
    chances = word_alignment.align(keyed, tension=0.0).translations
    likeliest = {
        source: max(sorted(targets), key=targets.__getitem__)
        for source, targets in chances.items()
        if source and not PLACEHOLDER.fullmatch(source)
    }
    return [{"target": _translate(row.text, likeliest, cases)} for row in test]


def _translate(text: str, likeliest: dict[str, str], cases: Any) -> str:
    from tandem.modeling.translation import word_alignment

    pieces = []
    for word in word_alignment.words(text):
        found = likeliest.get(word_alignment.key(word))
        mark = word_alignment.SPACE if word.startswith(word_alignment.SPACE) else ""
        pieces.append(mark + cases.usual.get(found, found) if found else word)
    return word_alignment.match_case(text, word_alignment.join(pieces))
