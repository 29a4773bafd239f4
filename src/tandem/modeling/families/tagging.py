"""One token classifier that predicts a label for each text and labelled spans in the text.

The label is predicted from the output of the first token ([CLS]), as in JointBERT (Chen et al.
2019, "BERT for Joint Intent Classification and Slot Filling"), or from the mean output of all
tokens, as in sentence encoders (Reimers & Gurevych 2019, "Sentence-BERT"). The BIO tag of each word
is predicted from the output of the word's first token. Labels and tags are outputs of one standard
head, so `AutoModelForTokenClassification.from_pretrained` can load a model from its folder. The
model's config lists the outputs:

    id2label: O, B-area, I-area, …, intent:HassTurnOn, intent:HassTurnOff, …
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForTokenClassification,
    DataCollatorForTokenClassification,
)

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams
from tandem.loading import pretrained
from tandem.modeling.base import TextModel
from tandem.modeling.bio_tags import OUTSIDE, Bounds, adjacency_log_prob, spans_of, tags_of
from tandem.modeling.params import TaggingParams
from tandem.modeling.training.class_weights import class_weights, set_class_weights
from tandem.modeling.viterbi import viterbi_decode

INTENT = "intent:"
IGNORED = -100  # the label that cross_entropy ignores


class Words(NamedTuple):
    """The words of a text, up to the model's maximum length."""

    first_tokens: list[int]
    """Index of each word's first token."""
    bounds: list[Bounds]
    """Where each word starts and ends in the text, in characters."""


class Model(TextModel):
    """A joint text classifier and word tagger."""

    auto: ClassVar[type[Any]] = AutoModelForTokenClassification

    @classmethod
    def initialize(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        params: TaggingParams,
    ) -> Self:
        """Load the encoder from `folder`; add a head with one output per tag and one per label."""
        # The head's outputs are the tags, followed by the labels of the whole text.
        rows_: Sequence[Any] = rows
        span_labels = sorted({span.label for row in rows_ for span in row.spans})
        tags = [OUTSIDE, *(f"{prefix}-{label}" for label in span_labels for prefix in "BI")]
        counts = Counter(row.label for row in rows_)
        labels = tags + [INTENT + label for label in sorted(counts)]
        network = pretrained.network(
            cls.auto,
            folder,
            new_head=True,  # a head in `folder` is for another task, and may have another shape
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
        )

        # Store in the config what `loss` and `predict` need.
        network.config.pooling = params.pooling
        network.config.span_weight = params.span_weight
        network.config.hidden = params.span_dropout
        set_class_weights(
            network.config, params.class_weights, [counts[label] for label in sorted(counts)]
        )
        tokenizer = pretrained.tokenizer(folder, model_max_length=training.max_length)
        model = cls(network, tokenizer, task)
        words = model.words([row.text for row in rows])
        true_tags = (tags_of(row.spans, w.bounds) for row, w in zip(rows_, words, strict=True))
        network.config.touching = round(adjacency_log_prob(true_tags), 4)
        return model

    @property
    def tags(self) -> int:
        """The number of outputs for tags; the other outputs are for labels of the whole text."""
        labels = self.network.config.id2label.values()
        return sum(not label.startswith(INTENT) for label in labels)

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The token ids and `labels` of each row.

        The label of the first token ([CLS]) is the intent, and the label of each word's first token
        is the word's tag. All other tokens are ignored in the loss, and so are intents and tags
        that were not seen in training.
        """
        rows_: Sequence[Any] = rows
        label_ids = self.network.config.label2id
        texts = [row.text for row in rows]
        examples = []
        for row, encoded, words in zip(
            rows_, self.encode_texts(texts), self.words(texts), strict=True
        ):
            labels = [IGNORED] * len(encoded["input_ids"])
            labels[0] = label_ids.get(INTENT + row.label, IGNORED)
            tags = tags_of(row.spans, words.bounds)
            for token, tag in zip(words.first_tokens, tags, strict=True):
                labels[token] = label_ids.get(tag, IGNORED)
            examples.append(encoded | {"labels": labels})
        return examples

    def words(self, texts: Sequence[str]) -> list[Words]:
        """The words into which the tokenizer splits each text, up to the model's maximum length."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True, return_offsets_mapping=True)
        words_of_texts = []
        for index, offsets in enumerate(encoded["offset_mapping"]):
            first_tokens: dict[int, int] = {}
            bounds: dict[int, Bounds] = {}
            for token, (word, (start, end)) in enumerate(
                zip(encoded.word_ids(index), offsets, strict=True)
            ):
                if word in bounds:
                    bounds[word] = bounds[word][0], end
                elif word is not None:
                    first_tokens[word], bounds[word] = token, (start, end)
            words_of_texts.append(Words(list(first_tokens.values()), list(bounds.values())))
        return words_of_texts

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Token tensors and `labels`, each of shape (batch, length)."""
        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collator = DataCollatorForTokenClassification(self.tokenizer, label_pad_token_id=IGNORED)
        return collator

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Cross-entropy of the intents, plus `span_weight` times the cross-entropy of the tags."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        labels, tags = batch["labels"], self.tags
        if network.training:
            inputs["input_ids"] = self._hide_spans(
                inputs["input_ids"], labels, network.config.hidden
            )
        logits = network(**inputs).logits
        intents = labels[:, 0]
        intents = intents.where(intents == IGNORED, intents - tags)
        intent_logits = self._intent_logits(logits, inputs)
        intent_loss = _mean_loss(intent_logits, intents, smoothing, class_weights(self.network))
        tag_loss = _mean_loss(
            logits[:, 1:, :tags].flatten(0, 1), labels[:, 1:].flatten(), smoothing
        )
        weight: float = network.config.span_weight
        return intent_loss + weight * tag_loss

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Logits of the intents and of the words' tags.

        The shapes are (texts, intents) and (words, tags).
        """
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = network(**inputs).logits
        words = batch["labels"][:, 1:] != IGNORED
        return [self._intent_logits(logits, inputs), logits[:, 1:, : self.tags][words]]

    def _intent_logits(self, logits: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """Compute the intent logits of whole texts from the logits of their tokens.

        `logits` has the shape (batch, length, tags + intents); the result has the shape (batch,
        intents).
        """
        intents = logits[:, :, self.tags :]
        if self.network.config.pooling == "first":
            return intents[:, 0]
        # Because the head is linear, the mean of its outputs equals its output for the mean input.
        mask = inputs["attention_mask"][:, :, None]
        return (intents * mask).sum(dim=1) / mask.sum(dim=1)

    def _hide_spans(self, ids: Tensor, labels: Tensor, fraction: float) -> Tensor:
        """Hide spans in a `fraction` of the rows, so that the model learns from the other words.

        The first token of every word in a hidden span is replaced with a random token. `ids` and
        `labels` have the shape (batch, length).
        """
        chosen = torch.rand(len(ids), 1, device=ids.device) < fraction
        spans = (labels > 0) & (labels < self.tags)  # 0 is OUTSIDE
        return torch.where(chosen & spans, torch.randint_like(ids, len(self.tokenizer)), ids)

    @torch.inference_mode()
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """One `{"label": str, "spans": [[start, end, label], …]}` per row.

        Starts and ends are character offsets.
        """
        predictions: list[dict[str, Any]] = [{}] * len(rows)
        labels, tags = self.network.config.id2label, self.tags
        tag_names = [labels[index] for index in range(tags)]
        texts = [row.text for row in rows]
        words = self.words(texts)
        for indices, batch in self.batches(self.encode_texts(texts), batch_size):
            logits = self.network(**batch).logits
            intents = (self._intent_logits(logits, batch).argmax(dim=1) + tags).tolist()
            # A word's tag scores are those of its first token; shape: (batch, words, tags).
            first_tokens = [torch.tensor(words[index].first_tokens or [0]) for index in indices]
            scores = logits[:, :, :tags].log_softmax(dim=2).cpu()
            scores = scores.take_along_dim(pad_sequence(first_tokens, True)[:, :, None], dim=1)
            lengths = [len(words[index].bounds) for index in indices]
            tag_paths = viterbi_decode(scores, lengths, tag_names, self.network.config.touching)
            for index, intent, path in zip(indices, intents, tag_paths, strict=True):
                label = labels[intent].removeprefix(INTENT)
                spans = spans_of(path, words[index].bounds)
                predictions[index] = {"label": label, "spans": spans}
        return predictions


def _mean_loss(
    logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """Weighted cross-entropy, divided by the number of non-ignored labels; 0 if there are none."""
    counted = (labels != IGNORED).sum().clamp(min=1)
    total = cross_entropy(
        logits, labels, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )
    return total / counted
