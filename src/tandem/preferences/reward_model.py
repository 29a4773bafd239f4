"""A reward model: an encoder with one output, fitted to preferences as Bradley & Terry put it.

P(a is preferred to b) = σ(r(a) − r(b)); Bradley & Terry, Rank Analysis of Incomplete Block
Designs, Biometrika 39 (1952). Only differences of rewards mean anything.
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
from tandem.preferences.pairs import Pair
from tandem.preferences.params import ClassContrast

MAX_LENGTH = 512


class RewardModel:
    """Scores texts; the folder is one that `from_pretrained` of Hugging Face reads."""

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.network = network
        self.tokenizer = tokenizer

    @classmethod
    def start(cls, folder: Path, contrast: ClassContrast | None) -> Self:
        """The encoder in `folder` under a head with one output; without `contrast` seed torch.

        Raises:
            StageError: the folder is missing.
            UnknownName: the encoder has no class that `contrast` names.
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
            _subtract(network, contrast, folder)
        return cls(network, pretrained.tokenizer(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The reward model that `save` wrote, in evaluation mode.

        Raises:
            StageError: the folder is missing; the stage that writes it has not run.
        """
        require_exists(folder)
        network = pretrained.network(AutoModelForSequenceClassification, folder)
        return cls(network, pretrained.tokenizer(folder))

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON."""
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def encode(self, pairs: Sequence[Pair], max_length: int) -> list[dict[str, Any]]:
        """One example a pair: both texts' tokens; `input_ids`, the longer, is its length."""
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
        found: list[list[int]] = encoded["input_ids"]
        return found

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """All chosen texts, then all rejected ones: each tensor (2 × pairs, length)."""
        texts = [example[side] for side in ("chosen", "rejected") for example in examples]
        return dict(self.tokenizer.pad({"input_ids": texts}, return_tensors="pt"))

    @staticmethod
    def loss(network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """The mean Bradley–Terry loss of a batch that `collate` made."""
        chosen, rejected = network(**batch).logits[:, 0].chunk(2)
        return preference_loss(chosen - rejected, smoothing)

    @torch.inference_mode()
    def score(self, texts: Sequence[str], batch_size: int = 64) -> list[float]:
        """The reward of each text, in batches of like length."""
        tokens = self._tokens(texts, MAX_LENGTH) if texts else []
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        rewards = [0.0] * len(texts)
        for at in track(range(0, len(order), batch_size), "score texts", unit="batches"):
            places = order[at : at + batch_size]
            batch = self.tokenizer.pad(
                {"input_ids": [tokens[place] for place in places]}, return_tensors="pt"
            )
            for place, reward in zip(places, self.network(**batch).logits[:, 0], strict=True):
                rewards[place] = reward.item()
        return rewards


def _subtract(network: Any, contrast: ClassContrast, folder: Path) -> None:
    """Put one output in the place of the classes' outputs: that of `better` less `worse`."""
    places = {label: place for place, label in network.config.id2label.items()}
    for label in (contrast.better, contrast.worse):
        if label not in places:
            raise UnknownName("class", label, places, str(folder))
    *_, (name, old) = ((n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear))
    head = nn.Linear(old.in_features, 1)
    better, worse = places[contrast.better], places[contrast.worse]
    head.weight.data = (old.weight[better] - old.weight[worse]).detach()[None]
    head.bias.data = (old.bias[better] - old.bias[worse]).detach()[None]
    network.set_submodule(name, head)
    network.config.num_labels = network.num_labels = 1


def preference_loss(margin: Tensor, smoothing: float) -> Tensor:
    """Mean of −log σ(margin), a scalar; `margin` (pairs,) is how far each chosen text leads.

    With `smoothing`, that share of the preferences is taken to be the wrong way round (Mitchell,
    A note on DPO with noisy preferences, 2023).
    """
    right = -functional.logsigmoid(margin)
    wrong = -functional.logsigmoid(-margin)
    return ((1 - smoothing) * right + smoothing * wrong).mean()
