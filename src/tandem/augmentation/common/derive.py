"""Derive new training rows from the existing training rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from tandem import metrics
from tandem.augmentation import (
    AnyAugmentation,
    AugmentationContext,
    AugmentationInput,
    AugmentationParams,
    derive_texts,
    to_input,
    without_pieces,
)
from tandem.core import paths
from tandem.core.determinism import generator
from tandem.core.params import AugmentationModels, Runtime
from tandem.core.progress import track
from tandem.core.rows import Row, read_rows
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.text.leakage import split_key_of
from tandem.text.protected import mask_pieces, protected, restore
from tandem.text.words import vocabulary


class AugmentParams(StrictModel):
    """The `augment` section of a task."""

    operations: list[AnyAugmentation] = Field(default=[], validate_default=True)
    """Augmentations to use; each derived row is made by one of them, which is chosen at random."""
    fraction: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the training rows from which a derived row is made."""


class AblationParams(metrics.EvaluationParams):
    """The augmentations to try; `max_rows` and `batch_size` apply to the validation rows."""

    operations: list[AnyAugmentation]
    """The augmentations to measure, each on its own."""
    fraction: float = Field(gt=0, le=1)
    """Fraction of the training rows from which a derived row is made."""

    @field_validator("operations")
    @classmethod
    def _unique(cls, operations: Sequence[Any]) -> Sequence[Any]:
        kinds = [operation.kind for operation in operations]
        if len(set(kinds)) < len(kinds):
            raise ValueError("an operation is listed twice: list it only once")
        return operations


def rows_to_augment(task: BaseTask) -> tuple[list[Row], set[str]]:
    """Return the training rows of `task`, and the keys (`split_key_of`) of its held-out rows.

    Raises:
        StageError: the table of a split is missing.
    """
    splits = {
        name: read_rows(paths.split(task.name) / f"{name}.parquet", task.row)
        for name in paths.SPLITS
    }
    train = splits.pop("train")
    return train, {split_key_of(row, task) for rows in splits.values() for row in rows}


def derive(
    train: Sequence[Row],
    held_out: set[str],
    task: BaseTask,
    params: AugmentParams,
    models: AugmentationModels,
    runtime: Runtime,
) -> tuple[list[Row], Counter[str]]:
    """Derive rows, and return them in the order of their parent rows, with a count per operation.

    A derived row whose text occurs in the validation or test split is dropped. Each row has its own
    random number generator, so the random numbers drawn for it do not depend on other rows.

    Args:
        train: Rows to derive from.
        held_out: Keys (`split_key_of`) of held-out texts; derived rows with these keys are dropped.
        task: The rows' task.
        params: Operations, and the fraction of rows that get a derived row.
        models: Model folders that operations may use.
        runtime: The seed, and the settings for reproducibility.

    Returns:
        The derived rows, and their number by operation; dropped rows are counted as `unchanged` or
        `held_out_text`.
    """
    words = vocabulary(without_pieces(mask_pieces(row.text, protected(row, task))) for row in train)
    context = AugmentationContext(task, words, models, runtime)
    derived: list[Row] = []
    counts: Counter[str] = Counter()
    texts = _derived_texts(train if words else (), params, context)
    for row, text, operation in track(texts, "check derived texts"):
        child = restore(row, task, text)
        if child.text == row.text:
            counts["unchanged"] += 1
        elif split_key_of(child, task) in held_out:
            counts["held_out_text"] += 1
        else:
            derived.append(replace(child, id=f"{row.id}~{operation.kind}", parent=row.id))
            counts[operation.kind] += 1
    return derived, counts


def _derived_texts(
    train: Sequence[Row], params: AugmentParams, context: AugmentationContext
) -> list[tuple[Row, str, AugmentationParams]]:
    """Return the sampled rows in order, each with its derived text and the augmentation used.

    An augmentation gets all of its rows at once, so that a model can process them in batches.
    """
    sampled: list[tuple[int, AugmentationInput]] = []
    choices = range(len(params.operations))
    for row in train if choices else ():
        rng = generator(context.runtime, "augment", context.task.name, row.id)
        if rng.random() < params.fraction:
            sampled.append((rng.choice(choices), to_input(row, context.task, rng)))
    texts: dict[str, str] = {}
    for choice in choices:
        inputs = [item for drawn, item in sampled if drawn == choice]
        derived = derive_texts(params.operations[choice], inputs, context) if inputs else []
        texts |= {item.row.id: text for item, text in zip(inputs, derived, strict=True)}
    return [(item.row, texts[item.row.id], params.operations[drawn]) for drawn, item in sampled]
