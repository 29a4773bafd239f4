"""Replace random words with synonyms.

As in EDA (Wei & Zou 2019, section 2.1), stop words are not replaced, and each word is replaced at
most once. The synonym is drawn as in Zhang et al. 2015, "Character-level Convolutional Networks for
Text Classification", section 2.4: the n-th synonym of the ranked list, counted from 0, has the
probability `chance`·(1-`chance`)^n, so that synonyms of the most frequent sense are preferred. Only
words in their dictionary form are replaced, which mostly preserves grammar: `film` is replaced,
`films` is not.
"""

from collections.abc import Sequence
from functools import cache
from random import Random

from pydantic import Field

from tandem.augmentation import WordAugmentationParams
from tandem.augmentation.common.wordnet import Lexicon, synonyms
from tandem.text.words import editable, match_case, replace_core, strip_punctuation


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is replaced, if enough words have synonyms."""

    lexicon: Lexicon
    """The package that contains a WordNet database."""
    chance: float = Field(default=0.5, gt=0, le=1)
    """Probability of drawing a synonym if none of the synonyms before it in the list was drawn."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """Replace words: `a good film!` → `a good movie!`; punctuation and capitalization are kept."""
    synonyms_of, excluded = synonyms(params.lexicon), stop_words()
    changed = list(words)
    positions = editable(words)
    cores = {i: strip_punctuation(words[i]) for i in positions}
    lemmas = {i: core.lower() for i, core in cores.items()}
    replaceable = [i for i in positions if lemmas[i] not in excluded and synonyms_of.get(lemmas[i])]
    count = min(len(replaceable), round(params.rate * len(positions)))
    for i in sorted(rng.sample(replaceable, count)):
        ranked = synonyms_of[lemmas[i]]
        rank = next((n for n in range(len(ranked)) if rng.random() < params.chance), -1)
        changed[i] = replace_core(words[i], match_case(ranked[rank], cores[i]))
    return changed


@cache
def stop_words() -> frozenset[str]:
    """Return English function words, including negations, in lower case."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # takes a second

    return frozenset(ENGLISH_STOP_WORDS)
