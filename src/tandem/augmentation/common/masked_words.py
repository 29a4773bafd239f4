"""What a language model finds likely in a blank of a text; all of it imports torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerBase

from tandem.augmentation import AugmentationContext
from tandem.augmentation.common.model_folders import resolve_model_folder
from tandem.core.progress import track
from tandem.loading import pretrained
from tandem.modeling.families.causal import Model, by_length, log_likelihood, padded
from tandem.text.words import match_case, replace_core, strip_punctuation

STARTS = ("Ġ", "▁")  # how byte-level BPE and SentencePiece mark a token that starts a word

WordScores = dict[str, float]
"""Words, each with the natural log of its probability, plus a constant."""


@dataclass(frozen=True, slots=True)
class MaskedWord:
    """A word of a text, between the words before and after it."""

    before: list[str]
    word: str
    after: list[str]

    def filled(self, core: str) -> str:
        """The text with `core` between the signs around the word."""
        return " ".join([*self.before, replace_core(self.word, core), *self.after])


def predict_words(
    blanks: Sequence[MaskedWord], given: AugmentationContext, most: int, batch_size: int
) -> list[WordScores]:
    """For each blank at the most `most` words, its own left out; none where the model sees none.

    Raises:
        ParamsError: the model of `augmenting.TASK` has no language-model head.
    """
    folder, ending = resolve_model_folder(given, "model", "ForMaskedLM", "ForCausalLM")
    if ending == "ForMaskedLM":
        network = pretrained.network(AutoModelForMaskedLM, folder)
        return _at_mask(blanks, network, pretrained.tokenizer(folder), most, batch_size)
    return _by_whole_text(blanks, Model.load(folder, given.task), most, batch_size)


@torch.inference_mode()
def _at_mask(
    blanks: Sequence[MaskedWord],
    network: Any,
    tokenizer: PreTrainedTokenizerBase,
    most: int,
    size: int,
) -> list[WordScores]:
    """What the masked-LM head says where the mask stands."""
    texts = [blank.filled(tokenizer.mask_token) for blank in blanks]
    longest = min(tokenizer.model_max_length, network.config.max_position_embeddings)
    cut: list[list[int]] = [
        tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in texts
    ]
    words = _words(tokenizer)
    found: list[WordScores] = [{} for _ in blanks]
    seen = [place for place, ids in enumerate(cut) if tokenizer.mask_token_id in ids]
    for chosen in track(
        by_length([cut[place] for place in seen], size), "predict words", unit="batches"
    ):
        places = [seen[number] for number in chosen]
        batch = padded([cut[place] for place in places])
        logits = network(**batch).logits
        for row, place in enumerate(places):
            at = cut[place].index(tokenizer.mask_token_id)
            found[place] = _top(logits[row, at], words, blanks[place], most)
    return found


@torch.inference_mode()
def _by_whole_text(
    blanks: Sequence[MaskedWord], model: Model, most: int, size: int
) -> list[WordScores]:
    """Candidates from the words before, weighed by the likelihood of the text they make."""
    words, bos = _words(model.tokenizer), model.tokenizer.bos_token_id
    starts = [[bos, *ids] for ids in model.tokens([" ".join(blank.before) for blank in blanks])]
    found: list[WordScores] = [{} for _ in blanks]
    for places in track(by_length(starts, size), "predict words", unit="batches"):
        batch = padded([starts[place] for place in places])
        hidden = model.network.base_model(**batch, use_cache=False)[0]
        last = hidden[torch.arange(len(places)), batch["attention_mask"].sum(1) - 1]
        logits = model.network.get_output_embeddings()(last)
        for row, place in enumerate(places):
            found[place] = _top(logits[row], words, blanks[place], most)
    tried = [(place, word) for place, weighed in enumerate(found) for word in weighed]
    core = [strip_punctuation(blank.word) for blank in blanks]
    texts = [blanks[place].filled(match_case(word, core[place])) for place, word in tried]
    whole = [[bos, *ids] for ids in model.tokens(texts)]
    for chosen in track(by_length(whole, size), "score words", unit="batches"):
        values = log_likelihood(model.network, padded([whole[number] for number in chosen]))
        for number, value in zip(chosen, values.tolist(), strict=True):
            place, word = tried[number]
            found[place][word] = value
    return found


def _top(logits: Tensor, words: dict[int, str], blank: MaskedWord, most: int) -> WordScores:
    """The likeliest of `words` by `logits` (vocabulary,), but the one that stands there."""
    own = strip_punctuation(blank.word).casefold()
    ids = torch.tensor(list(words))
    values, order = logits[ids].sort(descending=True, stable=True)
    found: WordScores = {}
    for value, number in zip(values[: 3 * most + 1].tolist(), order.tolist(), strict=False):
        word = words[int(ids[number])]
        if word.casefold() != own and len(found) < most:
            found.setdefault(word, value)
    return found


def _words(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The tokens that are whole words of letters, in the order of their ids.

    A tokenizer marks what starts a word, or else, as WordPiece does, what goes on with one.
    """
    tokens = sorted((number, token) for token, number in tokenizer.get_vocab().items())
    starting = [pair for pair in tokens if pair[1].startswith(STARTS)] or tokens
    texts = {n: tokenizer.convert_tokens_to_string([token]).strip() for n, token in starting}
    return {number: text for number, text in texts.items() if text.isalpha()}
