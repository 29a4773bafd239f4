"""Sequence to sequence: an encoder–decoder that edits a draft.

From a few ten thousand short pairs and minutes of one CPU, an encoder–decoder alone loses to
looking words up. So it is given what look-up knows: its input is the source text and a draft put
together from phrases of the training rows (`_phrases`), and it may copy from both (`_copying`).
That is neural fuzzy repair (Bulté & Tezcan 2019), with a draft in place of a memory's match.

A folder holds, beside the network and the tokenizer, phrases.parquet.
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
from tandem.modeling.params import Seq2SeqParams as Params
from tandem.modeling.translation.embedding_init import init_from_cooccurrence
from tandem.modeling.translation.greedy_search import greedy_search
from tandem.modeling.translation.phrase_table import PhraseTable
from tandem.modeling.translation.placeholders import (
    MARKS,
    PlaceholderConstraint,
    counts,
    names,
    number_placeholders,
    restore_placeholders,
)
from tandem.modeling.translation.pointer_generator import IGNORED, PointerGeneratorMarian
from tandem.modeling.translation.tokenizer import spaced, train_bpe, unspaced
from tandem.modeling.translation.word_alignment import match_case

PHRASES = "phrases.parquet"
SPARE = len(MARKS) + 8
"""Tokens that a translation may have beyond those of its source and draft together."""
LOOP = 6
"""Tokens that no translation has twice in the same order: what repeats for longer is a loop."""


class Model(TextModel):
    """A `PointerGeneratorMarian` with a phrase table; rows have `text` and `target`."""

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
    def start(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        settings: Params,
    ) -> Self:
        """An untrained network of the shape in `folder`, vocabulary and phrases from `rows`."""
        texts = [masked(row) for row in rows]
        tokenizer = train_bpe([side for pair in texts for side in pair], settings.vocab_size)
        tokenizer.model_max_length = training.max_length
        config = pretrained.config(folder, MarianConfig)
        config.vocab_size = config.decoder_vocab_size = len(tokenizer)
        config.pad_token_id = tokenizer.pad_token_id
        # a translation starts as the draft does: after the mark between source and draft
        config.decoder_start_token_id = tokenizer.sep_token_id
        config.eos_token_id, config.forced_eos_token_id = tokenizer.eos_token_id, None
        # embeddings of length one, times √width as the config says: what is alike stands out
        config.init_std = config.d_model**-0.5
        network = PointerGeneratorMarian(config)
        network.pointer.start_copying()
        network.generation_config.update(
            num_beams=settings.num_beams,
            length_penalty=settings.length_penalty,
            no_repeat_ngram_size=LOOP,
        )
        own = [(*pair, row.group) for pair, row in zip(texts, rows, strict=True) if not row.parent]
        model = cls(network, tokenizer, task, PhraseTable.learn(own))
        sides = [model._cut([pair[side] for pair in own]) for side in (0, 1)]
        tokens = [{*source, *target} for source, target in zip(*sides, strict=True)]
        init_from_cooccurrence(network.get_input_embeddings().weight, tokens)
        return model

    @classmethod
    def load(cls, folder: Path, task: BaseTask) -> Self:
        """The model that `save` or a compression method wrote, in evaluation mode."""
        network, tokenizer = cls.parts(folder)
        return cls(network, tokenizer, task, PhraseTable.load(folder / PHRASES))

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON, and the phrase table as Parquet."""
        super().save(folder)
        self.phrases.save(folder / PHRASES)

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One example a row: source, draft and target as token ids.

        The target's first word is written as inside a sentence, so that it can be copied from
        any place of the draft; `predict` gives it its capital.

        A draft is made of other groups' phrases only, so a training row's holds nothing of itself.
        """
        targets = self._cut([self.phrases.inside(masked(row)[1]) for row in rows])
        return [
            {**example, "labels": target}
            for example, target in zip(self._inputs(rows), targets, strict=True)
        ]

    def _inputs(self, rows: Sequence[Row]) -> list[dict[str, list[int]]]:
        texts = [number_placeholders(row.text, names(row.text)) for row in rows]
        drafts = [
            self.phrases.draft(text, row.group) for text, row in zip(texts, rows, strict=True)
        ]
        mark = self.tokenizer.sep_token_id
        return [
            {"input_ids": [*text[:-1], mark, *draft]}
            for text, draft in zip(self._cut(texts), self._cut(drafts), strict=True)
        ]

    def _cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, its end marked, no more than the model was trained for."""
        if not texts:
            return []
        encoded: list[list[int]] = self.tokenizer([spaced(text) for text in texts])["input_ids"]
        most, end = self.tokenizer.model_max_length - 1, self.tokenizer.eos_token_id
        return [[*ids[:most], end] for ids in encoded]

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pads `input_ids`, `attention_mask` and `labels`, each (batch, length)."""
        collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collate = DataCollatorForSeq2Seq(self.tokenizer)
        return collate

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Mean negative log-probability of the target's tokens."""
        found: Tensor = network(**batch, label_smoothing=smoothing).loss
        return found

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Log-probabilities of the target's tokens, (tokens, vocabulary)."""
        config, labels = network.config, batch["labels"]
        found = network(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=shift_tokens_right(
                labels, config.pad_token_id, config.decoder_start_token_id
            ),
            use_cache=False,
        )
        return [found.logits[labels != IGNORED]]

    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """{"target": translation} a row; a source's placeholders stand in it as often."""
        examples = self._inputs(rows)
        order = sorted(range(len(rows)), key=lambda i: len(examples[i]["input_ids"]))
        found: list[dict[str, Any]] = [{} for _ in rows]
        for start in track(range(0, len(order), batch_size), "predict", unit="batches"):
            chosen = order[start : start + batch_size]
            batch = self.tokenizer.pad([examples[i] for i in chosen], return_tensors="pt")
            known = [names(rows[i].text) for i in chosen]
            wanted = torch.tensor([counts(rows[i].text) for i in chosen])
            answers = self._generate(batch, wanted)
            for i, text, one in zip(chosen, answers, known, strict=True):
                found[i] = {"target": match_case(rows[i].text, restore_placeholders(text, one))}
        return found

    @torch.inference_mode()
    def _generate(self, batch: Any, wanted: Tensor) -> list[str]:
        """Masked translations of a batch; `wanted`, (batch, marks), counts their placeholders."""
        marks = torch.tensor(self.tokenizer.convert_tokens_to_ids(list(MARKS)))
        longest = batch["attention_mask"].sum(1) + SPARE
        keep = PlaceholderConstraint(marks, wanted, longest, self.tokenizer.eos_token_id)
        if self.network.generation_config.num_beams == 1:
            answers = greedy_search(self.network, batch, keep)
        else:
            answers = self.network.generate(
                **batch,
                **self.network.look(**batch),
                logits_processor=LogitsProcessorList([keep]),
                max_length=int(longest.max()),
            )
        return [
            unspaced(text)
            for text in self.tokenizer.batch_decode(answers, skip_special_tokens=True)
        ]


def masked(row: Any) -> tuple[str, str]:
    """Both sides of a row, with the source's placeholders numbered."""
    known = names(row.text)
    return number_placeholders(row.text, known), number_placeholders(row.target, known)
