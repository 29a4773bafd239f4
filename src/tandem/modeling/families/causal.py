"""Causal language models: a pretrained decoder whose last blocks are trained on a task's texts.

A text is one sequence, BOS text EOS, so that where it ends is learned and scored too. The
vocabulary is large (49,152 for SmolLM2), so logits are made only for tokens that count, and in
scoring a few hundred positions at a time: they, not the weights, would fill the memory.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM

from tandem.core.progress import track
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams
from tandem.modeling.base import TextModel

POSITIONS = 512
"""Positions whose logits are held at once in scoring: 512 × 49,152 × 4 bytes = 100 MB."""


class Model(TextModel):
    """Predicts `{"bits": …, "bytes": …}`: −log₂ p(text, EOS | BOS), and the text's UTF-8 bytes."""

    auto: ClassVar[type[Any]] = AutoModelForCausalLM

    @classmethod
    def start(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        settings: Any,
    ) -> Self:
        """The pretrained decoder; with `trainable_layers`, a tied output layer stays frozen too."""
        model = cls.load(folder, task)
        model.max_length = training.max_length
        return model

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """`input_ids` alone: BOS, the text's tokens, EOS, cut at the training's `max_length`."""
        return [{"input_ids": ids[: self.max_length]} for ids in self._whole(rows)]

    def _whole(self, rows: Sequence[Row]) -> list[list[int]]:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        return [[bos, *ids, eos] for ids in self.tokens([row.text for row in rows])]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text; what looks like a special token in a text is plain text."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        found: list[list[int]] = encoded["input_ids"]
        return found

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pads on the right: `input_ids` and `attention_mask`, each (batch, length)."""
        return lambda examples: padded([example["input_ids"] for example in examples])

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Mean cross-entropy of the next token, in nats, over all tokens that are not padding."""
        hidden, targets = next_tokens(network, batch)
        logits = network.get_output_embeddings()(hidden)
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Logits of the next token, (tokens, vocabulary), for all that are not padding."""
        hidden, _ = next_tokens(network, batch)
        return [network.get_output_embeddings()(hidden)]

    @torch.inference_mode()
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """Bits and bytes of each row's whole text; `bits / bytes` is its bits per byte."""
        sequences = self._whole(rows)
        bits = [0.0] * len(rows)
        for places in track(by_length(sequences, batch_size), "predict", unit="batches"):
            batch = padded([sequences[place] for place in places])
            found = log_likelihood(self.network, batch).tolist()
            for place, likelihood in zip(places, found, strict=True):
                bits[place] = -likelihood / math.log(2)
        return [
            {"bits": value, "bytes": len(row.text.encode())}
            for row, value in zip(rows, bits, strict=True)
        ]


def padded(sequences: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, (batch, longest); padding is 0 and masked."""
    rows = [torch.tensor(sequence) for sequence in sequences]
    masks = [torch.ones_like(row) for row in rows]
    pad = torch.nn.utils.rnn.pad_sequence
    return {"input_ids": pad(rows, True), "attention_mask": pad(masks, True)}


def by_length(sequences: Sequence[Sequence[int]], batch_size: int) -> list[list[int]]:
    """Places of `sequences` in batches of like length, the longest first."""
    order = sorted(range(len(sequences)), key=lambda place: (-len(sequences[place]), place))
    return [order[at : at + batch_size] for at in range(0, len(order), batch_size)]


def next_tokens(
    network: Any, batch: dict[str, Tensor], counts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What each token is predicted from, (tokens, width), and the token itself, (tokens,).

    `counts` (batch, length − 1) says which of a row's tokens from the second on are meant; all
    but padding, if it is not given. They come row by row.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    counts = mask[:, 1:].bool() if counts is None else counts
    hidden = network.base_model(ids, attention_mask=mask, use_cache=False)[0]
    return hidden[:, :-1][counts], ids[:, 1:][counts]


def log_likelihood(network: Any, batch: dict[str, Tensor], counts: Tensor | None = None) -> Tensor:
    """Natural log of p of each row's tokens that count, given those before them, (batch,)."""
    hidden, targets = next_tokens(network, batch, counts)
    head = network.get_output_embeddings()
    pieces = zip(torch.split(hidden, POSITIONS), torch.split(targets, POSITIONS), strict=True)
    losses = [functional.cross_entropy(head(h), t, reduction="none") for h, t in pieces]
    counts = batch["attention_mask"][:, 1:].bool() if counts is None else counts
    table = hidden.new_zeros(counts.shape).masked_scatter(counts, torch.cat(losses))
    return -table.sum(1)
