"""The base class of all model families: a network with its tokenizer, loaded from a folder.

A model's folder contains the files that transformers' `from_pretrained` reads: config.json,
model.safetensors and the tokenizer's files. If transformers alone cannot load a compressed model,
the folder also contains tandem.json, which names the compression method whose `restore` loads it.
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
from tandem.modeling.batching import length_batches

logging.set_verbosity_error()
logging.disable_progress_bar()


class TextModel(ABC):
    """A network with its tokenizer, for one task.

    `auto` is the transformers class that loads the family's networks. `initialize` builds the model
    to be trained; `encode` and `collate` make batches with labels; `loss` is minimized in training;
    `predict` returns one prediction per row.
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
    def initialize(
        cls,
        folder: Path,
        task: BaseTask,
        rows: Sequence[Row],
        training: TrainingParams,
        params: Any,
    ) -> Self:
        """Build the model to be trained.

        Args:
            folder: contains the pretrained weights or, if the network has none, only its config.
            task: the task that the model is for.
            rows: the training rows, from which heads and vocabularies are built.
            training: the params of the training run.
            params: the params of the family, under the key `model` in a task's section `train`.
        """

    @classmethod
    def load(cls, folder: Path, task: BaseTask) -> Self:
        """Load, in evaluation mode, a model that `save` or a compression method wrote."""
        return cls(*cls.load_parts(folder), task)

    @classmethod
    def load_parts(cls, folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load the network in `folder`, in evaluation mode, and its tokenizer.

        Raises:
            DataError: the folder is damaged, or breaks a rule of `tandem.loading.folders`.
        """
        if (folder / paths.METHOD).exists():
            model_folder = folders.open_folder(folder)
            model_folder.check()
            method = str(model_folder.read(paths.METHOD).get("method"))
            module = registry.load("compression", method, str(folder / paths.METHOD))
            with folders.as_data_error(folder):
                network = module.restore(folder, cls.auto).eval()
        else:
            network = pretrained.network(cls.auto, folder)
        return network, pretrained.tokenizer(folder)

    def save(self, folder: Path) -> None:
        """Write the safetensors and JSON files that transformers' `from_pretrained` reads."""
        self.network.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def set_max_length(self, tokens: int) -> None:
        """Set the length, in tokens, to which examples are truncated; the tokenizer stores it."""
        self.max_length = self.tokenizer.model_max_length = tokens

    @abstractmethod
    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """One example per row: `input_ids` (`list[int]`), labels and other inputs of `collate`."""

    @abstractmethod
    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """A function that pads examples to equal length, and returns them as a batch of tensors."""

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        """The training loss of a batch, a scalar; by default, the loss that the network returns."""
        value: Tensor = network(**batch).loss
        return value

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        """The logits that `loss` uses: one tensor of shape (predictions, classes) per head."""
        return [
            network(**{name: value for name, value in batch.items() if name != "labels"}).logits
        ]

    @abstractmethod
    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        """One prediction per row, in the order of `rows`, as JSON-serializable values."""

    def encode_texts(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The tokenizer's output for each text, truncated to the tokenizer's maximum length."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True)
        return [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]

    def batches(
        self, examples: Sequence[dict[str, Any]], batch_size: int
    ) -> Iterator[tuple[list[int], Any]]:
        """Yield batches of examples of similar length: the examples' indices and padded inputs."""
        sequences = [example["input_ids"] for example in examples]
        batches = length_batches(sequences, batch_size)
        for indices in track(batches, "predict", unit="batches"):
            batch = self.tokenizer.pad([examples[i] for i in indices], return_tensors="pt")
            yield indices, batch.to(self.network.device)
