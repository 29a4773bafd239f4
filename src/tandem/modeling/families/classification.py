"""One label a text: an encoder with a linear head on its first token's output.

A folder is read by plain `AutoModelForSequenceClassification.from_pretrained`, or by
`transformers.pipeline("text-classification", model=folder)`.

Where rows hold several people's ratings, a label is a threshold on their mean, and a text near
the threshold is hardly more the one than the other. `rating_edges` trains on that doubt: with m
the mean and s its standard error, a class between the edges a and b is expected with
Φ((b-m)/s) - Φ((a-m)/s). Soft targets from raters beat the single label (Uma et al. 2021,
"Learning from Disagreement", JAIR 72).
"""

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams
from tandem.loading import pretrained
from tandem.modeling.base import TextModel
from tandem.modeling.params import ClassificationParams as Params
from tandem.modeling.training.class_weights import class_weights, set_class_weights


class Model(TextModel):
    """A classifier; with one output it scores texts, as a reward model does."""

    auto: ClassVar[type[Any]] = AutoModelForSequenceClassification

    @classmethod
    def start(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        settings: Params,
    ) -> Self:
        """The encoder in `folder` under a new head, one output a label of the task or its rows."""
        labels = task.labels or sorted({row.label for row in rows})  # type: ignore[attr-defined]
        network = pretrained.network(
            cls.auto,
            folder,
            new_head=True,  # a head that is there already is another task's
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
        )
        network.config.rating_edges = settings.rating_thresholds
        tokenizer = pretrained.tokenizer(folder, model_max_length=training.max_length)
        model = cls(network, tokenizer, task)
        shares = [sum(column) for column in zip(*map(model._target, rows), strict=True)]
        set_class_weights(network.config, settings.class_weights, shares)
        return model

    @classmethod
    def scorer(cls, folder: Path, task: BaseTask, max_length: int) -> Self:
        """The encoder in `folder` under a new head of one output, whose value is the score."""
        network = pretrained.network(cls.auto, folder, new_head=True, num_labels=1)
        tokenizer = pretrained.tokenizer(folder, model_max_length=max_length)
        return cls(network, tokenizer, task)

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Token ids and `labels`, the share expected of each class, summing to 1.

        A label that was not seen in training has none, so its row adds nothing to the loss.
        """
        encoded = self.encode_texts([row.text for row in rows])
        return [e | {"labels": self._target(row)} for e, row in zip(encoded, rows, strict=True)]

    def _target(self, row: Any) -> list[float]:
        edges = getattr(self.network.config, "rating_edges", None)
        if edges and len(getattr(row, "ratings", ())) > 1:
            return expected_shares(row.ratings, edges)
        labels = self.network.config.id2label
        return [float(labels[number] == row.label) for number in range(len(labels))]

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Token tensors (batch, length) and `labels` (batch, classes)."""
        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collator = DataCollatorWithPadding(self.tokenizer)
        return collator

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Cross-entropy against the expected shares, each class by its weight."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = network(**inputs).logits
        found: Tensor = cross_entropy(
            logits, batch["labels"], class_weights(self.network), label_smoothing=smoothing
        )
        return found

    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """The likeliest label of each row: `{"label": str}`."""
        logits = self.logits([row.text for row in rows], batch_size)
        labels = self.network.config.id2label
        return [{"label": labels[number]} for number in logits.argmax(dim=1).tolist()]

    def score(self, texts: Sequence[str], batch_size: int) -> list[float]:
        """The first output for each text: the score, where the head has one output."""
        scores: list[float] = self.logits(texts, batch_size)[:, 0].tolist()
        return scores

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], batch_size: int) -> Tensor:
        """The network's outputs, (texts, outputs)."""
        found = torch.zeros(len(texts), self.network.config.num_labels)
        for places, batch in self.batches(self.encode_texts(texts), batch_size):
            found[places] = self.network(**batch).logits.cpu()
        return found


def expected_shares(ratings: Sequence[int], edges: Sequence[float]) -> list[float]:
    """How much of each class to expect of the true mean of `ratings`, given their spread.

    The standard error has a floor of half a step of the scale over √n, for n equal ratings do
    not make a mean certain. Classes as many as `edges` and one more.

    >>> [round(share, 2) for share in expected_shares([0, 1, 1, 0], [-0.5, 0.5])]
    [0.0, 0.5, 0.5]
    """
    mean = statistics.fmean(ratings)
    error = max(statistics.stdev(ratings), 0.5) / math.sqrt(len(ratings))
    below = [statistics.NormalDist(mean, error).cdf(edge) for edge in edges]
    return [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=True)]
