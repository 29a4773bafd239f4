"""Derive new training rows from training rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from tandem import augmentation
from tandem.augmentation import (
    AnyAugmentation,
    AugmentationContext,
    AugmentationInput,
    AugmentationParams,
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
    """The section `augment` of a task."""

    operations: list[AnyAugmentation] = Field(
        default=[], validate_default=True, description="a row is derived by one of them at random"
    )
    fraction: float = Field(
        default=0.0, ge=0, le=1, description="fraction of training rows that get a derived row"
    )


def rows_to_augment(task: BaseTask) -> tuple[list[Row], set[str]]:
    """The training rows of `task`, and the split keys of all held-out texts.

    Raises:
        StageError: a table is missing.
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
    """The derived rows, in the order of their parents, and counts by operation.

    A derived row whose text occurs in validation or test is dropped. Each row has a random stream
    of its own, so what is derived from it does not depend on other rows.

    Args:
        train: Rows to derive from.
        held_out: Split keys of texts that must not be derived.
        task: The rows' task.
        params: Operations, and the fraction of rows that get a derived row.
        models: Model folders that operations may use.
        runtime: Seed and pins.
    """
    words = vocabulary(without_pieces(mask_pieces(row.text, protected(row, task))) for row in train)
    given = AugmentationContext(task, words, models, runtime)
    derived: list[Row] = []
    counts: Counter[str] = Counter()
    for row, text, operation in track(
        _derived_texts(train if words else (), params, given), "check derived texts"
    ):
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
    train: Sequence[Row], params: AugmentParams, given: AugmentationContext
) -> list[tuple[Row, str, AugmentationParams]]:
    """The sampled rows, in order, each with its derived text and the operation that made it.

    An operation receives all of its rows at once, because a model works in batches.
    """
    sampled: list[tuple[int, AugmentationInput]] = []
    numbers = range(len(params.operations))
    for row in train if numbers else ():
        rng = generator(given.runtime, "augment", given.task.name, row.id)
        if rng.random() < params.fraction:
            sampled.append((rng.choice(numbers), to_input(row, given.task, rng)))
    texts: dict[str, str] = {}
    for number in numbers:
        drafts = [item for drawn, item in sampled if drawn == number]
        changed = augmentation.apply(params.operations[number], drafts, given) if drafts else []
        texts |= {item.row.id: text for item, text in zip(drafts, changed, strict=True)}
    return [(item.row, texts[item.row.id], params.operations[n]) for n, item in sampled]
