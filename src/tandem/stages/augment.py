"""Derive new training rows from training rows, by small random edits of their texts.

Reads   data/split/TASK/{train,validation,test}.parquet
Writes  data/augmented/TASK/train.parquet    the training rows, then the derived ones
        reports/metrics/augment/TASK.json    counts by operation

    $ tandem augment sentiment

A derived row keeps its parent's group, domain and answer; only `text` changes, around spans and
`{placeholders}`, which stay. No text of validation or test can come about: such a row is left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.determinism import generator
from tandem.core.params import Runtime, Strict, plugin
from tandem.core.records import Row
from tandem.core.task import BaseTask
from tandem.text.frozen import HIDDEN, frozen, hide, rewrite
from tandem.text.leaks import form
from tandem.text.words import vocabulary

TRAIN = f"{paths.SPLITS[0]}.parquet"


class Params(Strict):
    """The part `augment` of a task's section."""

    operations: list[plugin("augmentation")]  # type: ignore[valid-type]
    share: float = Field(ge=0, le=1, description="share of training rows that get a derived row")


def main(task: str) -> None:
    """Augment the training rows of `task`."""
    settings = params.load(Params, task, "augment")
    spec = tasks.load(task)
    splits = {
        name: records.read(paths.split(task) / f"{name}.parquet", spec.row) for name in paths.SPLITS
    }
    train = splits.pop("train")
    held_out = {form(row, spec) for rows in splits.values() for row in rows}
    derived, counts = derive(train, held_out, spec, settings, params.project().runtime)
    with io.writing(paths.augmented(task), paths.metrics("augment", task)) as (folder, metrics):
        records.write(folder / TRAIN, [*train, *derived], spec.row)
        by_operation = {each.kind: counts[each.kind] for each in settings.operations}
        left_out = {"unchanged": counts["unchanged"], "held_out_text": counts["held_out_text"]}
        rows = {"originals": len(train), "derived": len(derived)}
        io.write_json(metrics, rows | {"operations": by_operation, "left_out": left_out})


def derive(
    train: Sequence[Row], held_out: set[str], task: BaseTask, settings: Params, runtime: Runtime
) -> tuple[list[Row], Counter[str]]:
    """The derived rows, in the order of their parents, and counts by operation.

    Each row draws from a stream of its own, so other rows do not change what becomes of it.
    """
    words = vocabulary(HIDDEN.sub(" ", hide(row.text, frozen(row, task))) for row in train)
    derived: list[Row] = []
    counts: Counter[str] = Counter()
    for row in train if settings.operations and words else ():
        rng = generator(runtime, "augment", task.name, row.id)
        if rng.random() >= settings.share:
            continue
        operation: Any = rng.choice(settings.operations)

        def edit(text: str, operation: Any = operation, rng: Any = rng) -> str:
            return " ".join(operation.module.apply(text.split(), rng, words, operation))

        child = rewrite(row, task, edit)
        if child.text == row.text:
            counts["unchanged"] += 1
        elif form(child, task) in held_out:
            counts["held_out_text"] += 1
        else:
            derived.append(replace(child, id=f"{row.id}~{operation.kind}", parent=row.id))
            counts[operation.kind] += 1
    return derived, counts
