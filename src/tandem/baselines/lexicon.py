"""Lexicon: word by word, each by its likeliest translation under IBM model 1.

The alignment is `tandem.modeling._lexicon`'s, without its preference for the diagonal (Brown et
al. 1993). Order, spaces and `{placeholders}` stay the source's; an unknown word stays itself.
"""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import Settings
from tandem.core.task import PLACEHOLDER, BaseTask


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: Settings
) -> list[dict[str, Any]]:
    """Each row's words, each translated alone."""
    from tandem.modeling import _lexicon

    cut = [(_lexicon.words(row.text), _lexicon.words(row.target)) for row in train]
    cut = [pair for pair in cut if all(pair)]
    cases = _lexicon.Cases([target for _, target in cut])
    keyed = [
        ([_lexicon.key(w) for w in source], [_lexicon.key(w) for w in target])
        for source, target in cut
    ]
    chances = _lexicon.align(keyed, tension=0.0).translations
    likeliest = {
        source: max(sorted(targets), key=targets.__getitem__)
        for source, targets in chances.items()
        if source and not PLACEHOLDER.fullmatch(source)
    }
    return [{"target": _translate(row.text, likeliest, cases)} for row in test]


def _translate(text: str, likeliest: dict[str, str], cases: Any) -> str:
    from tandem.modeling import _lexicon

    pieces = []
    for word in _lexicon.words(text):
        found = likeliest.get(_lexicon.key(word))
        mark = _lexicon.SPACE if word.startswith(_lexicon.SPACE) else ""
        pieces.append(mark + cases.usual.get(found, found) if found else word)
    return _lexicon.like(text, _lexicon.join(pieces))
