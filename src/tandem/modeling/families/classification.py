"""One label per text, from an encoder with a linear head on the output of the first token.

A model's folder can be loaded with `AutoModelForSequenceClassification.from_pretrained` and with
`transformers.pipeline("text-classification", model=folder)`.

If each row contains ratings by several people, its label is derived by comparing the mean rating
with thresholds, and the label is uncertain if the mean is near a threshold. With
`rating_thresholds`, training takes this uncertainty into account: given mean m and standard error
s, a class between the thresholds a and b has the probability Φ((b-m)/s) - Φ((a-m)/s). Training
on soft labels from several raters often gives better models than training on one label per text
(Uma et al. 2021, "Learning from Disagreement", JAIR 72).
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
from tandem.modeling.params import ClassificationParams
from tandem.modeling.training.class_weights import class_weights, set_class_weights


class Model(TextModel):
    """A text classifier."""

    auto: ClassVar[type[Any]] = AutoModelForSequenceClassification

    @classmethod
    def initialize(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        params: ClassificationParams,
    ) -> Self:
        """Load the encoder from `folder`, and add a new head that has one output per label.

        The labels are those of the task, or those of `rows` if the task defines none.
        """
        labels = task.labels or sorted({row.label for row in rows})  # type: ignore[attr-defined]
        network = pretrained.network(
            cls.auto,
            folder,
            new_head=True,  # a head in `folder` is for another task, and may have another shape
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
        )
        network.config.rating_edges = params.rating_thresholds
        tokenizer = pretrained.tokenizer(folder, model_max_length=training.max_length)
        model = cls(network, tokenizer, task)
        class_totals = [sum(column) for column in zip(*map(model._target, rows), strict=True)]
        set_class_weights(network.config, params.class_weights, class_totals)
        return model

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The token ids and the class probabilities (`labels`) of each row.

        The class probabilities sum to 1, unless the row's label was not seen in training: in that
        case, they are all 0, so that the row does not contribute to the loss.
        """
        encoded = self.encode_texts([row.text for row in rows])
        return [e | {"labels": self._target(row)} for e, row in zip(encoded, rows, strict=True)]

    def _target(self, row: Any) -> list[float]:
        thresholds = getattr(self.network.config, "rating_edges", None)
        if thresholds and len(getattr(row, "ratings", ())) > 1:
            return class_probabilities(row.ratings, thresholds)
        labels = self.network.config.id2label
        return [float(labels[index] == row.label) for index in range(len(labels))]

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Token tensors of shape (batch, length), and `labels` of shape (batch, classes)."""
        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collator = DataCollatorWithPadding(self.tokenizer)
        return collator

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Cross-entropy against the class probabilities, with class weights."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = network(**inputs).logits
        value: Tensor = cross_entropy(
            logits, batch["labels"], class_weights(self.network), label_smoothing=smoothing
        )
        return value

    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """The most probable label of each row: `{"label": str}`."""
        logits = self.logits([row.text for row in rows], batch_size)
        labels = self.network.config.id2label
        return [{"label": labels[index]} for index in logits.argmax(dim=1).tolist()]

    @torch.inference_mode()
    def logits(self, texts: Sequence[str], batch_size: int) -> Tensor:
        """The network's logits, of shape (texts, classes)."""
        logits = torch.zeros(len(texts), self.network.config.num_labels)
        for indices, batch in self.batches(self.encode_texts(texts), batch_size):
            logits[indices] = self.network(**batch).logits.cpu()
        return logits


def class_probabilities(ratings: Sequence[int], thresholds: Sequence[float]) -> list[float]:
    """For each class, the probability that the true mean rating is in this class.

    The number of classes is one more than the number of `thresholds`. The standard error is at
    least half a step of the rating scale divided by √n, because n equal ratings do not make the
    mean certain.

    >>> [round(p, 2) for p in class_probabilities([0, 1, 1, 0], [-0.5, 0.5])]
    [0.0, 0.5, 0.5]
    """
    mean = statistics.fmean(ratings)
    error = max(statistics.stdev(ratings), 0.5) / math.sqrt(len(ratings))
    below = [statistics.NormalDist(mean, error).cdf(threshold) for threshold in thresholds]
    return [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=True)]
