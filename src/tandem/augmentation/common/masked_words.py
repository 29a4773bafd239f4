"""Use a language model to predict words for a gap in a text. This module imports torch."""

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
from tandem.modeling.batching import length_batches
from tandem.modeling.families.causal import Model, log_likelihood, padded
from tandem.text.words import match_case, replace_core, strip_punctuation

WORD_STARTS = ("Ġ", "▁")  # how byte-level BPE and SentencePiece mark the first token of a word

WordScores = dict[str, float]
"""Word → natural log of its probability, up to an additive constant."""


@dataclass(frozen=True, slots=True)
class MaskedWord:
    """A word of a text, with the words before and after it."""

    before: list[str]
    word: str
    after: list[str]

    def filled(self, core: str) -> str:
        """Return the text with `core` in place of the masked word; its punctuation is kept."""
        return " ".join([*self.before, replace_core(self.word, core), *self.after])


def predict_words(
    masked_words: Sequence[MaskedWord], context: AugmentationContext, limit: int, batch_size: int
) -> list[WordScores]:
    """Predict the most likely words for each gap with the `forward` model of the task.

    Args:
        masked_words: The gaps, with their original words.
        context: Names the model folder and the task.
        limit: Maximum number of predicted words per gap.
        batch_size: Number of texts per batch.

    Returns:
        For each gap, the predicted words with their scores; the original word is excluded. No
        words are predicted for a gap beyond the maximum input length of a masked language model.

    Raises:
        ParamsError: the model has no language-model head.
    """
    folder, head = resolve_model_folder(context, "forward", "ForMaskedLM", "ForCausalLM")
    if head == "ForMaskedLM":
        network = pretrained.network(AutoModelForMaskedLM, folder)
        tokenizer = pretrained.tokenizer(folder)
        return _predict_at_mask(masked_words, network, tokenizer, limit, batch_size)
    model = Model.load(folder, context.task)
    return _predict_by_likelihood(masked_words, model, limit, batch_size)


@torch.inference_mode()
def _predict_at_mask(
    masked_words: Sequence[MaskedWord],
    network: Any,
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
    batch_size: int,
) -> list[WordScores]:
    """Score words by the logits of a masked-LM head at the mask token."""
    texts = [masked.filled(tokenizer.mask_token) for masked in masked_words]
    max_length = min(tokenizer.model_max_length, network.config.max_position_embeddings)
    token_ids: list[list[int]] = [
        tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in texts
    ]
    words = _whole_words(tokenizer)
    scores: list[WordScores] = [{} for _ in masked_words]
    # Truncation may have removed the mask token.
    visible = [i for i, ids in enumerate(token_ids) if tokenizer.mask_token_id in ids]
    for batch in track(
        length_batches([token_ids[i] for i in visible], batch_size, longest_first=True),
        "predict words",
        unit="batches",
    ):
        indices = [visible[position] for position in batch]
        logits = network(**padded([token_ids[i] for i in indices])).logits
        for row, i in enumerate(indices):
            mask = token_ids[i].index(tokenizer.mask_token_id)
            scores[i] = _top_words(logits[row, mask], words, masked_words[i], limit)
    return scores


@torch.inference_mode()
def _predict_by_likelihood(
    masked_words: Sequence[MaskedWord], model: Model, limit: int, batch_size: int
) -> list[WordScores]:
    """Predict candidates from the words before a gap; score each by the whole text's likelihood.

    A causal model reads from left to right, so its prediction for a gap ignores the words after it.
    """
    words, bos = _whole_words(model.tokenizer), model.tokenizer.bos_token_id
    # Candidates: the most likely next words.
    prefixes = [" ".join(masked.before) for masked in masked_words]
    prefix_ids = [[bos, *ids] for ids in model.tokens(prefixes)]
    scores: list[WordScores] = [{} for _ in masked_words]
    for indices in track(
        length_batches(prefix_ids, batch_size, longest_first=True), "predict words", unit="batches"
    ):
        batch = padded([prefix_ids[i] for i in indices])
        hidden = model.network.base_model(**batch, use_cache=False)[0]
        last = hidden[torch.arange(len(indices)), batch["attention_mask"].sum(1) - 1]
        logits = model.network.get_output_embeddings()(last)
        for row, i in enumerate(indices):
            scores[i] = _top_words(logits[row], words, masked_words[i], limit)
    # Scores: the log-likelihood of the text with each candidate.
    candidates = [(i, word) for i, word_scores in enumerate(scores) for word in word_scores]
    cores = [strip_punctuation(masked.word) for masked in masked_words]
    texts = [masked_words[i].filled(match_case(word, cores[i])) for i, word in candidates]
    text_ids = [[bos, *ids] for ids in model.tokens(texts)]
    for positions in track(
        length_batches(text_ids, batch_size, longest_first=True), "predict words", unit="batches"
    ):
        values = log_likelihood(model.network, padded([text_ids[p] for p in positions]))
        for position, value in zip(positions, values.tolist(), strict=True):
            i, word = candidates[position]
            scores[i][word] = value
    return scores


def _top_words(
    logits: Tensor, words: dict[int, str], masked_word: MaskedWord, limit: int
) -> WordScores:
    """Return the `limit` words with the highest `logits`, except the masked word itself."""
    own_word = strip_punctuation(masked_word.word).casefold()
    ids = torch.tensor(list(words))
    values, order = logits[ids].sort(descending=True, stable=True)
    scores: WordScores = {}
    for value, position in zip(values[: 3 * limit + 1].tolist(), order.tolist(), strict=False):
        word = words[int(ids[position])]
        if word.casefold() != own_word and len(scores) < limit:
            scores.setdefault(word, value)
    return scores


def _whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Return token id → word for tokens that are whole words made up of letters, ordered by id.

    A tokenizer marks either the tokens that start a word or, as WordPiece does, the tokens that
    continue one.
    """
    tokens = sorted((token_id, token) for token, token_id in tokenizer.get_vocab().items())
    starting = [pair for pair in tokens if pair[1].startswith(WORD_STARTS)] or tokens
    words = {i: tokenizer.convert_tokens_to_string([token]).strip() for i, token in starting}
    return {token_id: word for token_id, word in words.items() if word.isalpha()}
