"""A reward model: an encoder with one output, trained on preferences (Bradley–Terry).

The model assumes P(a is preferred to b) = σ(r(a) − r(b)), where r is the reward (Bradley & Terry,
Rank Analysis of Incomplete Block Designs, Biometrika 39, 1952). Only differences between rewards
are meaningful.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tandem.core.errors import UnknownName
from tandem.core.io import require_exists
from tandem.core.progress import track
from tandem.loading import pretrained
from tandem.modeling.batching import length_batches
from tandem.preferences.pairs import Pair
from tandem.preferences.params import ClassContrast

MAX_LENGTH = 512


class RewardModel:
    """A model that scores texts; transformers' `from_pretrained` can load its folder."""

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.network = network
        self.tokenizer = tokenizer

    @classmethod
    def initialize(cls, folder: Path, contrast: ClassContrast | None) -> Self:
        """Load the encoder from `folder`, and add a head that has one output.

        The head is initialized from `contrast`, or randomly if `contrast` is None; in the latter
        case, seed torch first.

        Raises:
            StageError: the folder is missing.
            UnknownName: `contrast` names a class that the encoder does not have.
        """
        require_exists(folder)
        if contrast is None:
            network = pretrained.network(
                AutoModelForSequenceClassification,
                folder,
                new_head=True,
                num_labels=1,
                problem_type=None,
            )
        else:
            network = pretrained.network(AutoModelForSequenceClassification, folder)
            _contrast_classes(network, contrast, folder)
        return cls(network, pretrained.tokenizer(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the reward model that `save` wrote, in evaluation mode.

        Raises:
            StageError: the folder is missing; the stage that writes it has not run.
        """
        require_exists(folder)
        network = pretrained.network(AutoModelForSequenceClassification, folder)
        return cls(network, pretrained.tokenizer(folder))

    def save(self, folder: Path) -> None:
        """Write the safetensors and JSON files that transformers' `from_pretrained` reads."""
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def encode(self, pairs: Sequence[Pair], max_length: int) -> list[dict[str, Any]]:
        """One example per pair: the tokens of both texts; `input_ids` is the longer of the two."""
        sides = [
            self._tokens([getattr(pair, side) for pair in pairs], max_length)
            for side in ("chosen", "rejected")
        ]
        return [
            {"chosen": chosen, "rejected": rejected, "input_ids": max(chosen, rejected, key=len)}
            for chosen, rejected in zip(*sides, strict=True)
        ]

    def _tokens(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        encoded = self.tokenizer(list(texts), truncation=True, max_length=max_length)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Tensors of shape (2 × pairs, length): all chosen texts, then all rejected texts."""
        texts = [example[side] for side in ("chosen", "rejected") for example in examples]
        return dict(self.tokenizer.pad({"input_ids": texts}, return_tensors="pt"))

    @staticmethod
    def loss(network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """The mean Bradley–Terry loss of a batch from `collate`."""
        chosen, rejected = network(**batch).logits[:, 0].chunk(2)
        return preference_loss(chosen - rejected, smoothing)

    @torch.inference_mode()
    def score(self, texts: Sequence[str], batch_size: int = 64) -> list[float]:
        """The reward of each text."""
        sequences = self._tokens(texts, MAX_LENGTH) if texts else []
        rewards = [0.0] * len(texts)
        batches = length_batches(sequences, batch_size)
        for indices in track(batches, "score texts", unit="batches"):
            batch = self.tokenizer.pad(
                {"input_ids": [sequences[index] for index in indices]}, return_tensors="pt"
            )
            for index, reward in zip(indices, self.network(**batch).logits[:, 0], strict=True):
                rewards[index] = reward.item()
        return rewards


def _contrast_classes(network: Any, contrast: ClassContrast, folder: Path) -> None:
    """Give `network` a head with one output: the logit of `better` minus that of `worse`."""
    indices = {label: index for index, label in network.config.id2label.items()}
    for label in (contrast.better, contrast.worse):
        if label not in indices:
            raise UnknownName("class", label, indices, str(folder))
    *_, (name, old) = ((n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear))
    head = nn.Linear(old.in_features, 1)
    better, worse = indices[contrast.better], indices[contrast.worse]
    head.weight.data = (old.weight[better] - old.weight[worse]).detach()[None]
    head.bias.data = (old.bias[better] - old.bias[worse]).detach()[None]
    network.set_submodule(name, head)
    network.config.num_labels = network.num_labels = 1


def preference_loss(margins: Tensor, smoothing: float) -> Tensor:
    """The mean of −log σ(margin), a scalar.

    Args:
        margins: the score of each chosen text minus that of the rejected text; shape: (pairs,).
        smoothing: the fraction of preferences that are assumed to be reversed (Mitchell, A note on
            DPO with noisy preferences, 2023).
    """
    correct = -functional.logsigmoid(margins)
    reversed_ = -functional.logsigmoid(-margins)
    return ((1 - smoothing) * correct + smoothing * reversed_).mean()
