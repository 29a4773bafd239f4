"""Lexicon: translate word by word, with the most probable translation under IBM model 1.

Words are aligned by `modeling.translation.word_alignment`, without a preference for the diagonal
(Brown et al. 1993). Word order, spaces and `{placeholders}` of the source are kept. Unknown words
are copied.
"""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import PLACEHOLDER, BaseTask

LABEL = "word-by-word translation"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Translate each word of each row independently."""
    from tandem.modeling.translation import word_alignment

    pairs = [(word_alignment.words(row.text), word_alignment.words(row.target)) for row in train]
    pairs = [pair for pair in pairs if all(pair)]
    truecaser = word_alignment.Truecaser([target for _, target in pairs])
    keys = [
        ([word_alignment.key(w) for w in source], [word_alignment.key(w) for w in target])
        for source, target in pairs
    ]
    translations = word_alignment.align(keys, tension=0.0).translations
    lexicon = {
        source: max(sorted(targets), key=targets.__getitem__)
        for source, targets in translations.items()
        if source and not PLACEHOLDER.fullmatch(source)
    }
    return [{"target": _translate(row.text, lexicon, truecaser)} for row in test]


def _translate(text: str, lexicon: dict[str, str], truecaser: Any) -> str:
    from tandem.modeling.translation import word_alignment

    words = []
    for word in word_alignment.words(text):
        translation = lexicon.get(word_alignment.key(word))
        space = word_alignment.SPACE if word.startswith(word_alignment.SPACE) else ""
        words.append(space + truecaser.usual.get(translation, translation) if translation else word)
    return word_alignment.match_case(text, word_alignment.join(words))
