"""Augmentations, which derive new training rows: one file each, found by name.

A module defines `Params(Operation)` and one function: `apply` (see `TextAugmentation`) if each text
is changed by itself, or `apply_all` (see `BatchAugmentation`) if a model changes many at once.

`deletion`, `insertion`, `replacement` and `swap` are the operations of EDA (Wei & Zou 2019, "EDA:
Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks", section
2), with words of the training rows in place of WordNet's synonyms; `synonym` uses WordNet.
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
    """A row to derive another from, with a random stream that only this row uses.

    `text` is the row's text, each of the protected `pieces` replaced by one character.
    """

    row: Row
    text: str
    pieces: list[str]
    rng: Random

    def shown(self, text: str) -> str:
        """`text` with its protected pieces put back, as a model reads it."""
        return unmask_pieces(text, self.pieces)


@dataclass(frozen=True, slots=True)
class AugmentationContext:
    """What an augmentation may use besides the rows."""

    task: BaseTask
    vocabulary: Sequence[str]
    """The words of the training rows, each as often as it occurs."""
    models: AugmentationModels
    """The model folders of the task: the only ones that DVC tracks for this stage."""
    runtime: Runtime


class TextAugmentation(Protocol):
    """What a module defines that changes each text by itself."""

    def run(
        self, words: Sequence[str], rng: Random, vocabulary: Sequence[str], params: Any
    ) -> list[str]:
        """The words of the derived text.

        Words that `tandem.text.words.free` does not list hold protected pieces. Each of them must
        occur exactly once, unchanged, in the result.
        """


class BatchAugmentation(Protocol):
    """What a module defines that changes all texts together."""

    def apply_all(
        self, drafts: Sequence[AugmentationInput], given: AugmentationContext, params: Any
    ) -> list[str]:
        """One derived text per draft, with each protected piece exactly once."""


class AugmentationParams(PluginParams):
    """Base class of an augmentation's settings."""

    @property
    def plugin(self) -> TextAugmentation | BatchAugmentation:  # type: ignore[override]
        """The augmentation."""
        return cast(TextAugmentation | BatchAugmentation, super().plugin)


class WordAugmentationParams(AugmentationParams):
    """Base class of the settings of an augmentation that edits words."""

    rate: float = Field(default=0.1, gt=0, le=1, description="fraction of the words that change")


AnyAugmentation = Annotated[AugmentationParams, plugin_field("augmentation")]
"""A field of params.yaml that chooses an augmentation by `kind`."""


def to_input(row: Row, task: BaseTask, rng: Random) -> AugmentationInput:
    """`row` with its protected pieces replaced."""
    pieces = protected(row, task)
    return AugmentationInput(
        row, mask_pieces(row.text, pieces), [row.text[slice(*piece)] for piece in pieces], rng
    )


def apply(
    operation: AugmentationParams, drafts: Sequence[AugmentationInput], given: AugmentationContext
) -> list[str]:
    """The derived text of each draft, its protected pieces still replaced."""
    plugin: Any = operation.plugin
    if hasattr(plugin, "apply_all"):
        return list(plugin.apply_all(drafts, given, operation))
    return [
        " ".join(plugin.apply(each.text.split(), each.rng, given.vocabulary, operation))
        for each in drafts
    ]


def without_pieces(text: str) -> str:
    """`text` with a space in place of each protected piece."""
    return SENTINEL.sub(" ", text)
