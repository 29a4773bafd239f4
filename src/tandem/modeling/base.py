"""What every family has in common: a network with its tokenizer, as they lie in a folder.

A folder holds what `from_pretrained` of Hugging Face reads: config.json, model.safetensors and
the tokenizer's files. A compressed one that transformers cannot read by itself also holds
tandem.json, which names the compression method whose `restore` reads it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from tandem.core import paths, registry
from tandem.core.progress import track
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams
from tandem.loading import folders, pretrained

logging.set_verbosity_error()
logging.disable_progress_bar()


class TextModel(ABC):
    """A network with its tokenizer, for one task.

    `auto` is the class of transformers that reads the family's folders; `start` builds what
    `fit` trains; `encode` and `collate` make batches, with labels; `loss` is what is trained on.
    """

    auto: ClassVar[type[Any]]
    max_length: int | None = None

    def __init__(
        self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: BaseTask
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.task = task

    @classmethod
    @abstractmethod
    def start(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        settings: Any,
    ) -> Self:
        """The untrained model: weights from `folder`, heads and vocabularies from `rows`.

        `settings` is the family's own `Params`, the part `model` of a task's `train` section.
        """

    @classmethod
    def load(cls, folder: Path, task: BaseTask) -> Self:
        """The model that `save` or a compression method wrote, in evaluation mode."""
        return cls(*cls.parts(folder), task)

    @classmethod
    def parts(cls, folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The network in `folder`, in evaluation mode, and its tokenizer.

        Raises:
            DataError: the folder is damaged, or asks for what is never done.
        """
        if (folder / paths.METHOD).exists():
            found = folders.at(folder)
            found.check()
            method = str(found.read(paths.METHOD).get("method"))
            module = registry.load("compression", method, str(folder / paths.METHOD))
            with folders.one_line(folder):
                network = module.restore(folder, cls.auto).eval()
        else:
            network = pretrained.network(cls.auto, folder)
        return network, pretrained.tokenizer(folder)

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON, as `from_pretrained` of Hugging Face reads them."""
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def limit(self, tokens: int) -> None:
        """Cut examples at `tokens` tokens; the tokenizer's files remember it."""
        self.max_length = self.tokenizer.model_max_length = tokens

    @abstractmethod
    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One example a row: `input_ids` (list of int) and what `collate` needs, labels too."""

    @abstractmethod
    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """What pads examples to a batch of tensors, each (batch, length) or (batch,)."""

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """The training loss of a batch, a scalar; by default the network's own."""
        found: Tensor = network(**batch).loss
        return found

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """The logits that `loss` judges, (answers, classes), one tensor a kind of answer."""
        return [
            network(**{name: value for name, value in batch.items() if name != "labels"}).logits
        ]

    @abstractmethod
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """One answer a row, in the order of `rows`, as JSON-able values."""

    def encode_texts(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The tokenizer's answer for each text, cut at the model's `max_length`."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True)
        return [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]

    def batches(
        self, examples: Sequence[dict[str, Any]], batch_size: int
    ) -> Iterator[tuple[list[int], Any]]:
        """Examples of like lengths together: their places, and their tensors (batch, length)."""
        order = sorted(range(len(examples)), key=lambda i: len(examples[i]["input_ids"]))
        for start in track(range(0, len(order), batch_size), "predict", unit="batches"):
            places = order[start : start + batch_size]
            batch = self.tokenizer.pad([examples[i] for i in places], return_tensors="pt")
            yield places, batch.to(self.network.device)
