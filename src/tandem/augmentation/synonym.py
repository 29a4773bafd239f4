"""Replace random words by synonyms.

As in EDA (Wei & Zou 2019, section 2.1), stop words stay and each word has one chance; which of its
synonyms is taken follows Zhang et al. 2015, "Character-level Convolutional Networks for Text
Classification", section 2.4: the n-th of the ranked list with a chance of `chance`·(1-`chance`)^n,
so that those of a word's usual sense come first. Only words in the form in which the lexicon has
them are replaced, so grammar mostly holds: `film` is, `films` is not.
"""

from collections.abc import Sequence
from functools import cache
from random import Random

from pydantic import Field

from tandem.augmentation import WordAugmentationParams
from tandem.augmentation.common.wordnet import Lexicon, synonyms
from tandem.text.words import editable, match_case, replace_core, strip_punctuation


class Params(WordAugmentationParams):
    """`rate` of the words are replaced, as far as they have synonyms."""

    lexicon: Lexicon
    """The package that holds a WordNet database."""
    chance: float = Field(default=0.5, gt=0, le=1)
    """How likely the first synonym is, and each next one where those before it were not taken."""


def apply(
    words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Params
) -> list[str]:
    """`a good film!` → `a good movie!`; signs around a word stay, and its capitals."""
    known, kept = synonyms(params.lexicon), stop_words()
    changed = list(words)
    among = editable(words)
    cores = {at: strip_punctuation(words[at]) for at in among}
    able = [at for at in among if cores[at].lower() not in kept and known.get(cores[at].lower())]
    for at in sorted(rng.sample(able, min(len(able), round(params.rate * len(among))))):
        ranked = known[cores[at].lower()]
        place = next((n for n in range(len(ranked)) if rng.random() < params.chance), -1)
        changed[at] = replace_core(words[at], match_case(ranked[place], cores[at]))
    return changed


@cache
def stop_words() -> frozenset[str]:
    """Words that carry grammar, negation among it, in small letters."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # takes a second

    return frozenset(ENGLISH_STOP_WORDS)
