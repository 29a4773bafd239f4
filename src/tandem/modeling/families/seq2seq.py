"""Sequence to sequence: an encoder–decoder that edits a draft translation.

A plain encoder–decoder that is trained within minutes on one CPU, on tens of thousands of pairs of
short texts, translates worse than a dictionary that is applied word by word. The input of this
model is therefore the source text and a draft translation, which is composed of phrases from the
training rows (`phrase_table`), and the network can copy tokens from the source and from the draft
(`pointer_generator`). This method is neural fuzzy repair (Bulté & Tezcan 2019), except that the
draft replaces the match from a translation memory.

In addition to the network and the tokenizer, a model's folder contains the phrase table,
phrases.parquet.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import (
    DataCollatorForSeq2Seq,
    LogitsProcessorList,
    MarianConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.marian.modeling_marian import shift_tokens_right

from tandem.core.progress import track
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams
from tandem.loading import pretrained
from tandem.modeling.base import TextModel
from tandem.modeling.batching import length_batches
from tandem.modeling.params import Seq2SeqParams
from tandem.modeling.translation.embedding_init import init_from_cooccurrence
from tandem.modeling.translation.greedy_search import greedy_search
from tandem.modeling.translation.phrase_table import PhraseTable
from tandem.modeling.translation.placeholders import (
    MARKS,
    PlaceholderConstraint,
    counts,
    match_placeholders,
    names,
    number_placeholders,
    restore_placeholders,
)
from tandem.modeling.translation.pointer_generator import IGNORED, PointerGeneratorMarian
from tandem.modeling.translation.tokenizer import join_hyphens, split_hyphens, train_bpe
from tandem.modeling.translation.word_alignment import match_case

PHRASES = "phrases.parquet"
SPARE = len(MARKS) + 8
"""A translation is at most this many tokens longer than its input (source and draft)."""
REPEATED_NGRAM = 6
"""No n-gram of this many tokens occurs twice in a translation."""


class Model(TextModel):
    """A `PointerGeneratorMarian` with a phrase table, for rows with a `text` and a `target`."""

    auto: ClassVar[type[Any]] = PointerGeneratorMarian

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        task: BaseTask,
        phrases: PhraseTable,
    ) -> None:
        super().__init__(network, tokenizer, task)
        self.phrases = phrases

    @classmethod
    def initialize(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        params: Seq2SeqParams,
    ) -> Self:
        """Build an untrained network from the config in `folder`, and a vocabulary from `rows`."""
        # Train the tokenizer, and set the config values that depend on it.
        texts = [masked(row) for row in rows]
        tokenizer = train_bpe([side for pair in texts for side in pair], params.vocab_size)
        tokenizer.model_max_length = training.max_length
        config = pretrained.config(folder, MarianConfig)
        config.vocab_size = config.decoder_vocab_size = len(tokenizer)
        config.pad_token_id = tokenizer.pad_token_id
        # the decoder starts with the token that precedes the draft in the input
        config.decoder_start_token_id = tokenizer.sep_token_id
        config.eos_token_id, config.forced_eos_token_id = tokenizer.eos_token_id, None
        # Embeddings with this standard deviation have a norm of about 1, and the network multiplies
        # them by √width, so that the pointer's attention clearly prefers similar tokens.
        config.init_std = config.d_model**-0.5

        # The network.
        network = PointerGeneratorMarian(config)
        network.pointer.prefer_copying()
        network.generation_config.update(
            num_beams=params.num_beams,
            length_penalty=params.length_penalty,
            no_repeat_ngram_size=REPEATED_NGRAM,
        )

        # Learn the phrase table and the initial embeddings from the rows that are not derived from
        # other rows.
        original = [
            (*pair, row.group) for pair, row in zip(texts, rows, strict=True) if not row.parent
        ]
        model = cls(network, tokenizer, task, PhraseTable.learn(original))
        sides = [model._tokenize([pair[side] for pair in original]) for side in (0, 1)]
        tokens = [{*source, *target} for source, target in zip(*sides, strict=True)]
        init_from_cooccurrence(network.get_input_embeddings().weight, tokens)
        return model

    @classmethod
    def load(cls, folder: Path, task: BaseTask) -> Self:
        """Load, in evaluation mode, a model that `save` or a compression method wrote."""
        network, tokenizer = cls.load_parts(folder)
        return cls(network, tokenizer, task, PhraseTable.load(folder / PHRASES))

    def save(self, folder: Path) -> None:
        """Write the network and the tokenizer, and the phrase table as a Parquet file."""
        super().save(folder)
        self.phrases.save(folder / PHRASES)

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One example per row: `input_ids` (the source and the draft) and `labels` (the target).

        The target's first word is cased as it would be inside a sentence, so that it can be copied
        from any position of the draft; `predict` capitalizes a translation if its source text is
        capitalized. A row's draft is composed only of phrases that occur in other groups of rows,
        so the draft of a training row is not derived from the row's own target.
        """
        targets = self._tokenize([self.phrases.inside(masked(row)[1]) for row in rows])
        return [
            {**example, "labels": target}
            for example, target in zip(self._inputs(rows), targets, strict=True)
        ]

    def _inputs(self, rows: Sequence[Row]) -> list[dict[str, list[int]]]:
        texts = [number_placeholders(row.text, names(row.text)) for row in rows]
        drafts = [
            self.phrases.draft(text, row.group) for text, row in zip(texts, rows, strict=True)
        ]
        separator = self.tokenizer.sep_token_id
        return [
            {"input_ids": [*text[:-1], separator, *draft]}
            for text, draft in zip(self._tokenize(texts), self._tokenize(drafts), strict=True)
        ]

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with EOS, truncated to the tokenizer's maximum length."""
        if not texts:
            return []
        encoded = self.tokenizer([split_hyphens(text) for text in texts])
        limit, eos = self.tokenizer.model_max_length - 1, self.tokenizer.eos_token_id
        return [[*ids[:limit], eos] for ids in encoded["input_ids"]]

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """`input_ids`, `attention_mask` and `labels`, each of shape (batch, length)."""
        collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collate = DataCollatorForSeq2Seq(self.tokenizer)
        return collate

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Mean negative log-probability of the target's tokens."""
        value: Tensor = network(**batch, label_smoothing=smoothing).loss
        return value

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Log-probabilities at each target token, of shape (tokens, vocabulary)."""
        config, labels = network.config, batch["labels"]
        output = network(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=shift_tokens_right(
                labels, config.pad_token_id, config.decoder_start_token_id
            ),
            use_cache=False,
        )
        return [output.logits[labels != IGNORED]]

    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """One `{"target": translation}` per row; placeholders occur as often as in the source."""
        inputs = [example["input_ids"] for example in self._inputs(rows)]
        predictions: list[dict[str, Any]] = [{} for _ in rows]
        batches = length_batches(inputs, batch_size)
        for indices in track(batches, "predict", unit="batches"):
            batch = self.tokenizer.pad(
                [{"input_ids": inputs[i]} for i in indices], return_tensors="pt"
            )
            placeholder_counts = torch.tensor([counts(rows[i].text) for i in indices])
            translations = self._generate(batch, placeholder_counts)
            for i, translation in zip(indices, translations, strict=True):
                text = restore_placeholders(translation, names(rows[i].text))
                text = match_placeholders(text, rows[i].text)
                predictions[i] = {"target": match_case(rows[i].text, text)}
        return predictions

    @torch.inference_mode()
    def _generate(self, batch: Any, placeholder_counts: Tensor) -> list[str]:
        """Translations with numbered placeholders.

        `placeholder_counts`, of shape (batch, placeholders), gives the number of times that each
        placeholder has to occur in the translation.

        If there is only one beam, the project's `greedy_search` is used, because it is faster than
        transformers' `generate`.
        """
        marks = torch.tensor(self.tokenizer.convert_tokens_to_ids(list(MARKS)))
        max_lengths = batch["attention_mask"].sum(1) + SPARE
        constraint = PlaceholderConstraint(
            marks, placeholder_counts, max_lengths, self.tokenizer.eos_token_id
        )
        if self.network.generation_config.num_beams == 1:
            tokens = greedy_search(self.network, batch, constraint)
        else:
            tokens = self.network.generate(
                **batch,
                **self.network.encode_source(**batch),
                logits_processor=LogitsProcessorList([constraint]),
                max_length=int(max_lengths.max()),
            )
        texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [join_hyphens(text) for text in texts]


def masked(row: Any) -> tuple[str, str]:
    """The source and target of a row, with the source's placeholders numbered in both texts."""
    placeholders = names(row.text)
    return (
        number_placeholders(row.text, placeholders),
        number_placeholders(row.target, placeholders),
    )
