"""Replace random words by what a language model finds likely in their place.

Kumar et al. 2020, "Data Augmentation using Pre-trained Transformer Models", section 3. Of the
likeliest `candidates` one is drawn, by the model's probability given the whole text: an encoder
with a masked-LM head gives it at once; with a causal model, which reads from the left alone,
candidates come from the words before and are judged by the likelihood of the text they make.
The words of one text are drawn independently, each with the others as they were. The model is the
folder `augmenting.TASK.model`.
"""

import math
from collections.abc import Sequence

from pydantic import Field

from tandem.augmentation import AugmentationContext, AugmentationInput, WordAugmentationParams
from tandem.text.words import match_case, replace_core, sample_positions, strip_punctuation


class Params(WordAugmentationParams):
    """`rate` of the words are replaced."""

    candidates: int = Field(ge=1)
    """Words that are weighed for each place; a causal model reads the text as often."""
    batch_size: int = Field(ge=1)


def apply_all(
    drafts: Sequence[AugmentationInput], given: AugmentationContext, params: Params
) -> list[str]:
    """`a good film` → `a good story`; signs around a word stay, and its capitals.

    Raises:
        ParamsError: the model has no language-model head.
    """
    from tandem.augmentation.common.masked_words import MaskedWord, predict_words  # takes seconds

    texts = [each.text.split() for each in drafts]
    places = [
        (number, at)
        for number, each in enumerate(drafts)
        for at in sample_positions(texts[number], params.rate, each.rng)
    ]
    blanks = []
    for number, at in places:
        before, after = (
            [drafts[number].shown(word) for word in part]
            for part in (texts[number][:at], texts[number][at + 1 :])
        )
        blanks.append(MaskedWord(before, texts[number][at], after))
    weighed = predict_words(blanks, given, params.candidates, params.batch_size)
    changed = [list(words) for words in texts]
    for (number, at), found in zip(places, weighed, strict=True):
        if found:
            top = max(found.values())
            chances = [math.exp(value - top) for value in found.values()]
            (word,) = drafts[number].rng.choices(list(found), chances)
            core = strip_punctuation(texts[number][at])
            changed[number][at] = replace_core(texts[number][at], match_case(word, core))
    return [" ".join(words) for words in changed]
