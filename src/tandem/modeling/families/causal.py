"""Causal language models: a pretrained decoder, trained further on a task's texts.

Each text becomes one sequence, `BOS text EOS`, so the model also learns where texts end, and the
likelihood of a text includes its end.
The vocabulary is large (49,152 for SmolLM2), so the logits of a batch would need more memory than
the weights. Logits are therefore only computed for the tokens that contribute to the loss or
the likelihood, and the likelihood is computed for a few hundred positions at a time.
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
from tandem.modeling.batching import length_batches

POSITIONS = 512
"""Number of positions whose logits are in memory at once during scoring: 512 × 49,152 × 4 bytes =
100 MB."""


class Model(TextModel):
    """A decoder whose method `predict` returns `{"bits": …, "bytes": …}` for each text.

    `bits` is −log₂ p(text, EOS | BOS); `bytes` is the number of UTF-8 bytes of the text.
    """

    auto: ClassVar[type[Any]] = AutoModelForCausalLM

    @classmethod
    def initialize(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        params: Any,
    ) -> Self:
        """Load the pretrained decoder.

        If `trainable_layers` is set, an output layer that is tied to the embedding is also frozen.
        """
        model = cls.load(folder, task)
        model.max_length = training.max_length
        return model

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The only key of an example is `input_ids`: BOS, text, EOS, truncated to `max_length`."""
        return [{"input_ids": ids[: self.max_length]} for ids in self._sequences(rows)]

    def _sequences(self, rows: Sequence[Row]) -> list[list[int]]:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        return [[bos, *ids, eos] for ids in self.tokens([row.text for row in rows])]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, with names of special tokens treated as plain text."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """A function that pads `input_ids` on the right, and adds `attention_mask`."""
        return lambda examples: padded([example["input_ids"] for example in examples])

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Mean cross-entropy of the next token, in nats, over all tokens that are not padding."""
        hidden, targets = next_tokens(network, batch)
        logits = network.get_output_embeddings()(hidden)
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Logits of the next token, of shape (tokens, vocabulary), with padding left out."""
        hidden, _ = next_tokens(network, batch)
        return [network.get_output_embeddings()(hidden)]

    @torch.inference_mode()
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """For each row, −log₂ of the probability of its whole text, and the text's size in bytes.

        The keys are `bits` and `bytes`; `bits / bytes` is the number of bits per byte.
        """
        sequences = self._sequences(rows)
        bits = [0.0] * len(rows)
        for indices in track(
            length_batches(sequences, batch_size, longest_first=True), "predict", unit="batches"
        ):
            batch = padded([sequences[index] for index in indices])
            likelihoods = log_likelihood(self.network, batch).tolist()
            for index, likelihood in zip(indices, likelihoods, strict=True):
                bits[index] = -likelihood / math.log(2)
        return [
            {"bits": value, "bytes": len(row.text.encode())}
            for row, value in zip(rows, bits, strict=True)
        ]


def padded(sequences: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask` of shape (batch, length), padded on the right with zeros."""
    rows = [torch.tensor(sequence) for sequence in sequences]
    masks = [torch.ones_like(row) for row in rows]
    pad = torch.nn.utils.rnn.pad_sequence
    return {"input_ids": pad(rows, True), "attention_mask": pad(masks, True)}


def next_tokens(
    network: Any, batch: dict[str, Tensor], selected: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The hidden states from which the selected tokens are predicted, and the ids of these tokens.

    The shapes are (tokens, width) and (tokens,); the tokens are ordered row by row.

    Args:
        network: a causal language model.
        batch: the inputs, as returned by `padded`.
        selected: a mask of the tokens to predict, of shape (batch, length − 1), because the first
            token of a row is never predicted. By default, all tokens except padding are selected.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    selected = mask[:, 1:].bool() if selected is None else selected
    hidden = network.base_model(ids, attention_mask=mask, use_cache=False)[0]
    return hidden[:, :-1][selected], ids[:, 1:][selected]


def log_likelihood(
    network: Any, batch: dict[str, Tensor], selected: Tensor | None = None
) -> Tensor:
    """The log-likelihood, in nats, of each row's selected tokens, given the tokens before them.

    The shape is (batch,). The mask `selected` is described in `next_tokens`.
    """
    hidden, targets = next_tokens(network, batch, selected)
    head = network.get_output_embeddings()
    chunks = zip(torch.split(hidden, POSITIONS), torch.split(targets, POSITIONS), strict=True)
    losses = [functional.cross_entropy(head(h), t, reduction="none") for h, t in chunks]
    selected = batch["attention_mask"][:, 1:].bool() if selected is None else selected
    table = hidden.new_zeros(selected.shape).masked_scatter(selected, torch.cat(losses))
    return -table.sum(1)
