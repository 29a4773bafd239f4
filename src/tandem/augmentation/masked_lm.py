"""Replace random words with words that a language model predicts in their place.

The method follows Kumar et al. 2020, "Data Augmentation using Pre-trained Transformer Models",
section 3. One of the k most likely words (k = `candidates`) is drawn, in proportion to the
probabilities that the model assigns to these words given the rest of the text. An encoder with a
masked-LM head predicts the probabilities directly. A causal model reads from left to right, so the
candidates are predicted from the preceding words, and their probabilities are computed from the
likelihood of the whole text. If several words of a text are replaced, each replacement is drawn as
if the other words were unchanged. The model is loaded from the folder
`augmentation_models.TASK.forward`.
"""

import math
from collections.abc import Sequence

from pydantic import Field

from tandem.augmentation import AugmentationContext, AugmentationInput, WordAugmentationParams
from tandem.text.words import match_case, replace_core, sample_positions, strip_punctuation


class Params(WordAugmentationParams):
    """A fraction `rate` of the words is replaced."""

    candidates: int = Field(ge=1)
    """Number of candidates per word; a causal model runs once per candidate."""
    batch_size: int = Field(ge=1)
    """Number of texts per batch."""


def apply_all(
    inputs: Sequence[AugmentationInput], context: AugmentationContext, params: Params
) -> list[str]:
    """Replace words: `a good film` → `a good story`; punctuation and capitalization are kept.

    Raises:
        ParamsError: the model has no language-model head.
    """
    from tandem.augmentation.common.masked_words import MaskedWord, predict_words  # takes seconds

    # Draw the words to replace, as pairs: (index of the text, index of the word).
    texts = [item.text.split() for item in inputs]
    positions = [
        (i, position)
        for i, item in enumerate(inputs)
        for position in sample_positions(texts[i], params.rate, item.rng)
    ]
    masked_words = []
    for i, position in positions:
        before, after = (
            [inputs[i].unmask(word) for word in part]
            for part in (texts[i][:position], texts[i][position + 1 :])
        )
        masked_words.append(MaskedWord(before, texts[i][position], after))
    # Draw one candidate for each word to replace.
    predictions = predict_words(masked_words, context, params.candidates, params.batch_size)
    changed = [list(words) for words in texts]
    for (i, position), scores in zip(positions, predictions, strict=True):
        if scores:
            highest = max(scores.values())
            weights = [math.exp(score - highest) for score in scores.values()]
            (word,) = inputs[i].rng.choices(list(scores), weights)
            old_word = texts[i][position]
            core = match_case(word, strip_punctuation(old_word))
            changed[i][position] = replace_core(old_word, core)
    return [" ".join(words) for words in changed]
