"""A label for the text and spans in it, by one token classifier.

The label is read from the first token ([CLS]), as by JointBERT (Chen et al. 2019, "BERT for Joint
Intent Classification and Slot Filling"), or from the mean of all tokens, as by sentence encoders
(Reimers & Gurevych 2019, "Sentence-BERT"); every other word carries a BIO tag on its first piece.
All are outputs of one standard head, so a folder is read by plain
`AutoModelForTokenClassification.from_pretrained`:

    id2label: O, B-area, I-area, …, intent:HassTurnOn, intent:HassTurnOff, …
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

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
from tandem.modeling.bio_tags import (
    OUTSIDE,
    Word,
    adjacency_log_prob,
    spans_of,
    tags_of,
    viterbi_decode,
)
from tandem.modeling.params import TaggingParams as Params
from tandem.modeling.training.class_weights import class_weights, set_class_weights

INTENT = "intent:"
IGNORED = -100  # what cross_entropy leaves out


class Model(TextModel):
    """A joint classifier of texts and tagger of their words."""

    auto: ClassVar[type[Any]] = AutoModelForTokenClassification

    @classmethod
    def start(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        settings: Params,
    ) -> Self:
        """The encoder in `folder` under a new head, one output a tag and a label of `rows`."""
        rows_: Sequence[Any] = rows
        spans = sorted({span.label for row in rows_ for span in row.spans})
        tags = [OUTSIDE, *(f"{edge}-{span}" for span in spans for edge in "BI")]
        counts = Counter(row.label for row in rows_)
        labels = tags + [INTENT + label for label in sorted(counts)]
        network = pretrained.network(
            cls.auto,
            folder,
            new_head=True,  # a head that is there already is another task's
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
        )
        for name in ("pooling", "span_weight", "hidden"):
            setattr(network.config, name, getattr(settings, name))
        set_class_weights(
            network.config, settings.class_weights, [counts[label] for label in sorted(counts)]
        )
        tokenizer = pretrained.tokenizer(folder, model_max_length=training.max_length)
        model = cls(network, tokenizer, task)
        words = model.words([row.text for row in rows])
        known = (tags_of(row.spans, cut) for row, cut in zip(rows_, words, strict=True))
        network.config.touching = round(adjacency_log_prob(known), 4)
        return model

    @property
    def tags(self) -> int:
        """How many of the outputs are tags; the rest are labels of the whole text."""
        labels = self.network.config.id2label.values()
        return sum(not label.startswith(INTENT) for label in labels)

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Token ids and `labels`: the intent first, then the tag of each word's first piece.

        What was not seen in training is ignored, as are the other pieces.
        """
        rows_: Sequence[Any] = rows
        numbers = self.network.config.label2id
        texts = [row.text for row in rows]
        examples = []
        for row, encoded, words in zip(
            rows_, self.encode_texts(texts), self.words(texts), strict=True
        ):
            labels = [IGNORED] * len(encoded["input_ids"])
            labels[0] = numbers.get(INTENT + row.label, IGNORED)
            for (first, *_), tag in zip(words, tags_of(row.spans, words), strict=True):
                labels[first] = numbers.get(tag, IGNORED)
            examples.append(encoded | {"labels": labels})
        return examples

    def words(self, texts: Sequence[str]) -> list[list[Word]]:
        """The words of each text that fit into the model, as its tokenizer cuts them."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True, return_offsets_mapping=True)
        cut = []
        for number, offsets in enumerate(encoded["offset_mapping"]):
            found: dict[int, Word] = {}
            for token, (word, (start, end)) in enumerate(
                zip(encoded.word_ids(number), offsets, strict=True)
            ):
                if word in found:
                    found[word] = (*found[word][:2], end)
                elif word is not None:
                    found[word] = (token, start, end)
            cut.append(list(found.values()))
        return cut

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Token tensors and `labels`, each (batch, length)."""
        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]]
        collator = DataCollatorForTokenClassification(self.tokenizer, label_pad_token_id=IGNORED)
        return collator

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """Cross-entropy over intents at the first token, and over tags at the words."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        labels, tags = batch["labels"], self.tags
        if network.training:
            inputs["input_ids"] = self._hide(inputs["input_ids"], labels, network.config.hidden)
        logits = network(**inputs).logits
        intents = labels[:, 0]
        intents = intents.where(intents == IGNORED, intents - tags)
        pooled = self._pooled(logits, inputs)
        whole = _mean_loss(pooled, intents, smoothing, class_weights(self.network))
        spans = _mean_loss(logits[:, 1:, :tags].flatten(0, 1), labels[:, 1:].flatten(), smoothing)
        weight: float = network.config.span_weight
        return whole + weight * spans

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """Logits of the intents, (texts, intents), and of the tags of words, (words, tags)."""
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits = network(**inputs).logits
        words = batch["labels"][:, 1:] != IGNORED
        return [self._pooled(logits, inputs), logits[:, 1:, : self.tags][words]]

    def _pooled(self, logits: Tensor, inputs: Mapping[str, Tensor]) -> Tensor:
        """The outputs (batch, length, all) that are labels of the whole text, (batch, labels)."""
        found = logits[:, :, self.tags :]
        if self.network.config.pooling == "first":
            return found[:, 0]
        # the head is linear: the mean of its outputs is its output for the mean
        mask = inputs["attention_mask"][:, :, None]
        return (found * mask).sum(dim=1) / mask.sum(dim=1)

    def _hide(self, ids: Tensor, labels: Tensor, share: float) -> Tensor:
        """Token ids (batch, length) with other tokens for the spans' in a `share` of the rows."""
        chosen = torch.rand(len(ids), 1, device=ids.device) < share
        spans = (labels > 0) & (labels < self.tags)  # 0 is OUTSIDE
        return torch.where(chosen & spans, torch.randint_like(ids, len(self.tokenizer)), ids)

    @torch.inference_mode()
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """`{"label": str, "spans": [[start, end, label], …]}` a row, in characters."""
        answers: list[dict[str, Any]] = [{}] * len(rows)
        labels, tags = self.network.config.id2label, self.tags
        names = [labels[number] for number in range(tags)]
        texts = [row.text for row in rows]
        words = self.words(texts)
        for places, batch in self.batches(self.encode_texts(texts), batch_size):
            logits = self.network(**batch).logits
            intents = (self._pooled(logits, batch).argmax(dim=1) + tags).tolist()
            firsts = [torch.tensor([word[0] for word in words[place]] or [0]) for place in places]
            scores = logits[:, :, :tags].log_softmax(dim=2).cpu()
            scores = scores.take_along_dim(pad_sequence(firsts, True)[:, :, None], dim=1)
            lengths = [len(words[place]) for place in places]
            paths = viterbi_decode(scores, lengths, names, self.network.config.touching)
            for place, intent, path in zip(places, intents, paths, strict=True):
                label = labels[intent].removeprefix(INTENT)
                answers[place] = {"label": label, "spans": spans_of(path, words[place])}
        return answers


def _mean_loss(
    logits: Tensor, labels: Tensor, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over the labels that count, each by its weight; zero where none does."""
    counted = (labels != IGNORED).sum().clamp(min=1)
    total = cross_entropy(
        logits, labels, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )
    return total / counted
