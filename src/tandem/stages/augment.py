"""Derive new training rows from training rows, by random edits or by models.

Reads   data/split/TASK/{train,validation,test}.parquet; the model folders that `augmenting.TASK`
        names, where an operation asks a model; the params `runtime` and `TASK.augment`
Writes  data/augmented/TASK/train.parquet    the training rows, then the derived ones
        reports/metrics/augment/TASK.json    counts by operation

    $ tandem augment sentiment

A derived row keeps its parent's group, domain and answer; only `text` changes, around spans and
`{placeholders}`, which stay. No text of validation or test can come about: such a row is left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from tandem import augmentation
from tandem.augmentation import Given, Operation, draft, without_pieces
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.determinism import generator
from tandem.core.params import Lent, Runtime, Strict, plugin
from tandem.core.rows import Row, read_rows, write_rows
from tandem.core.task import BaseTask
from tandem.text.leakage import form
from tandem.text.protected import frozen, hide, rewrite
from tandem.text.words import vocabulary

TRAIN = f"{paths.SPLITS[0]}.parquet"


class Params(Strict):
    """The part `augment` of a task's section."""

    operations: list[plugin("augmentation")]  # type: ignore[valid-type]
    share: float = Field(ge=0, le=1, description="share of training rows that get a derived row")


def main(task: str) -> None:
    """Augment the training rows of `task`."""
    settings = params.load(Params, task, "augment")
    project = params.project()
    spec = tasks.load(task)
    train, held_out = rows_of(spec)
    lent, runtime = project.lent(task), project.runtime
    derived, counts = derive(train, held_out, spec, settings, lent, runtime)
    with io.writing(paths.augmented(task), paths.metrics("augment", task)) as (folder, metrics):
        write_rows(folder / TRAIN, [*train, *derived], spec.row)
        by_operation = {each.kind: counts[each.kind] for each in settings.operations}
        left_out = {"unchanged": counts["unchanged"], "held_out_text": counts["held_out_text"]}
        rows = {"originals": len(train), "derived": len(derived)}
        io.write_json(metrics, rows | {"operations": by_operation, "left_out": left_out})


def rows_of(task: BaseTask) -> tuple[list[Row], set[str]]:
    """The training rows of `task`, and the forms of all texts that must not come about."""
    splits = {
        name: read_rows(paths.split(task.name) / f"{name}.parquet", task.row)
        for name in paths.SPLITS
    }
    train = splits.pop("train")
    return train, {form(row, task) for rows in splits.values() for row in rows}


def derive(
    train: Sequence[Row],
    held_out: set[str],
    task: BaseTask,
    settings: Params,
    lent: Lent,
    runtime: Runtime,
) -> tuple[list[Row], Counter[str]]:
    """The derived rows, in the order of their parents, and counts by operation.

    Each row draws from a stream of its own, so other rows do not change what becomes of it.
    """
    words = vocabulary(without_pieces(hide(row.text, frozen(row, task))) for row in train)
    given = Given(task, words, lent, runtime)
    derived: list[Row] = []
    counts: Counter[str] = Counter()
    for row, text, operation in _texts(train if words else (), settings, given):
        child = rewrite(row, task, lambda _, text=text: text)  # type: ignore[misc]
        if child.text == row.text:
            counts["unchanged"] += 1
        elif form(child, task) in held_out:
            counts["held_out_text"] += 1
        else:
            derived.append(replace(child, id=f"{row.id}~{operation.kind}", parent=row.id))
            counts[operation.kind] += 1
    return derived, counts


def _texts(
    train: Sequence[Row], settings: Params, given: Given
) -> list[tuple[Row, str, Operation]]:
    """The rows that are chosen, in their order, each with its new text and what made it.

    An operation gets all its rows at once, for a model's time lies in batches.
    """
    chosen: list[tuple[int, augmentation.Draft]] = []
    numbers = range(len(settings.operations))
    for row in train if numbers else ():
        rng = generator(given.runtime, "augment", given.task.name, row.id)
        if rng.random() < settings.share:
            chosen.append((rng.choice(numbers), draft(row, given.task, rng)))
    texts: dict[str, str] = {}
    for number in numbers:
        own = [each for drawn, each in chosen if drawn == number]
        changed = augmentation.apply(settings.operations[number], own, given) if own else []
        texts |= {each.row.id: text for each, text in zip(own, changed, strict=True)}
    return [(each.row, texts[each.row.id], settings.operations[n]) for n, each in chosen]
