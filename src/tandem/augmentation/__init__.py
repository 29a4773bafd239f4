"""Augmentations: modules that derive new training rows and that params.yaml selects by name.

A module defines `Params(AugmentationParams)` and one function: `apply` (see `TextAugmentation`) if
it changes each text separately, or `apply_all` (see `BatchAugmentation`) if a model changes many
texts at once.

`deletion`, `insertion`, `replacement` and `swap` are the operations of EDA (Wei & Zou 2019, "EDA:
Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", section
2), with words from the training rows instead of synonyms; `synonym` uses WordNet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Any, Protocol, cast

from pydantic import Field

from tandem.core.params import AugmentationModels, Runtime
from tandem.core.rows import Row
from tandem.core.schema import PluginParams, plugin_field
from tandem.core.task import BaseTask
from tandem.text.protected import SENTINEL, mask_pieces, protected, unmask_pieces


@dataclass(frozen=True, slots=True)
class AugmentationInput:
    """A row from which an augmentation derives another row, and a random number generator.

    `text` is the row's text with a sentinel in place of each of the protected `pieces`.
    """

    row: Row
    text: str
    pieces: list[str]
    rng: Random

    def unmask(self, text: str) -> str:
        """Replace the sentinels in `text` with the protected parts, so that a model can read it."""
        return unmask_pieces(text, self.pieces)


@dataclass(frozen=True, slots=True)
class AugmentationContext:
    """The data that an augmentation may use in addition to the rows."""

    task: BaseTask
    vocabulary: Sequence[str]
    """Words from the training rows, each repeated as often as it occurs."""
    models: AugmentationModels
    """Model folders that DVC tracks as dependencies; augmentations must not load any others."""
    runtime: Runtime


class TextAugmentation(Protocol):
    """The interface of a module that changes each text separately."""

    def apply(
        self, words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Any
    ) -> list[str]:
        """Return the words of the derived text.

        A word whose index `tandem.text.words.editable` does not return may contain sentinels, so it
        must occur exactly once, unchanged, in the derived text.
        """


class BatchAugmentation(Protocol):
    """The interface of a module that changes all texts at once."""

    def apply_all(
        self, inputs: Sequence[AugmentationInput], context: AugmentationContext, params: Any
    ) -> list[str]:
        """Return one derived text per input, with each sentinel of the input exactly once."""


class AugmentationParams(PluginParams):
    """Base class of the params of an augmentation."""

    @property
    def plugin(self) -> TextAugmentation | BatchAugmentation:  # type: ignore[override]
        """The augmentation's module."""
        return cast(TextAugmentation | BatchAugmentation, super().plugin)


class WordAugmentationParams(AugmentationParams):
    """Base class of the params of an augmentation that edits words."""

    rate: float = Field(default=0.1, gt=0, le=1)
    """Fraction of the words of a text that are changed."""


AnyAugmentation = Annotated[AugmentationParams, plugin_field("augmentation")]
"""A field of params.yaml that chooses an augmentation by `kind`."""


def to_input(row: Row, task: BaseTask, rng: Random) -> AugmentationInput:
    """Return the input for `row`, with sentinels in place of the protected parts of its text."""
    pieces = protected(row, task)
    return AugmentationInput(
        row, mask_pieces(row.text, pieces), [row.text[slice(*piece)] for piece in pieces], rng
    )


def derive_texts(
    params: AugmentationParams, inputs: Sequence[AugmentationInput], context: AugmentationContext
) -> list[str]:
    """Return the text that an augmentation derives from each input, including the sentinels."""
    plugin: Any = params.plugin
    if hasattr(plugin, "apply_all"):
        return list(plugin.apply_all(inputs, context, params))
    return [
        " ".join(plugin.apply(item.text.split(), item.rng, context.vocabulary, params))
        for item in inputs
    ]


def without_pieces(text: str) -> str:
    """Replace each sentinel in `text` with a space."""
    return SENTINEL.sub(" ", text)
