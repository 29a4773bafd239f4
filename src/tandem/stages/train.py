"""Train a task's model, with early stopping on validation rows.

Reads   data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet,
        models/TASK/pretrained, the params `runtime` and `TASK.train`
Writes  models/TASK/base                   what `from_pretrained` of Hugging Face reads
        reports/metrics/train/TASK.json    validation scores, steps, rows, parameters
        reports/plots/train/TASK.csv       the loss curve

    tandem train sentiment
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.params import Runtime
from tandem.core.rows import Row, hash_sample, read_rows
from tandem.core.task import BaseTask
from tandem.core.training_params import Training


class Params(Training):
    """How a task's model is trained: what every family has, and the family's own settings."""

    model: params.plugin("families")  # type: ignore[valid-type]
    """`kind` is the task's family; the rest is that family's `Params`."""


class Trained(NamedTuple):
    """A model (a `TextModel`), and its loss curve."""

    model: Any
    curve: list[dict[str, float]]

    @property
    def validation_loss(self) -> float:
        """The least of the curve, which is that of the model's weights."""
        return min(look["validation_loss"] for look in self.curve)


def main(task: str) -> None:
    """Train the model of one task."""
    from tandem.modeling.training import (
        distributed,  # this takes seconds, and a check of params needs none
    )

    distributed.run(write, params.project().runtime.processes, task)


def write(task: str) -> None:
    """Train the model of one task and write it; of several processes, the first writes."""
    from tandem import metrics
    from tandem.modeling.training import distributed
    from tandem.modeling.training.artifacts import write_fitted

    runtime = params.project().runtime
    known = tasks.load(task)
    training = settings_of(known)
    rows, validation = rows_of(known, training)
    model, curve = trained(known, rows, validation, training, runtime)
    if distributed.is_first():
        predictions = model.predict(validation, 2 * training.batch_size)
        scores = metrics.score(known, validation, predictions, runtime)[0]
        found = {"rows": len(rows), "validation": scores}
        write_fitted("train", task, "base", model, curve, found)


def settings_of(task: BaseTask, content: dict[str, Any] | None = None) -> Params:
    """The part `train` of the section of `task`, in params.yaml or in `content`.

    Raises:
        ParamsError: it is not right, or is for a model of another family.
    """
    training = params.load(Params, task.name, "train", content=content)
    if training.model.kind != task.family:
        at = f"{paths.PARAMS}: {task.name}.train.model.kind"
        raise ParamsError(f"{at} must be {task.family!r}, the family of {task.name}")
    return training


def rows_of(task: BaseTask, training: Params) -> tuple[list[Row], list[Row]]:
    """The rows that the model of `task` is trained on, and those that tell when to stop."""
    everything = read_rows(paths.augmented(task.name) / "train.parquet", task.row)
    validation = read_rows(paths.split(task.name) / "validation.parquet", task.row)
    return (
        hash_sample(everything, training.max_rows),
        hash_sample(validation, training.max_validation_rows),
    )


def trained(
    task: BaseTask,
    rows: Sequence[Row],
    validation: Sequence[Row],
    training: Params,
    runtime: Runtime,
) -> Trained:
    """A model of `task` fitted on `rows` from its pretrained weights; nothing is written.

    What a family learns beside its weights, as the words of a lexicon, it learns from all of
    `rows`; of more rows than the steps can see, only the first in hashed order are encoded.

    Raises:
        StageError: the pretrained weights are missing, or see `modeling.training.trainer.fit`.
    """
    from tandem.modeling import family
    from tandem.modeling.seeding import pin_torch
    from tandem.modeling.training.trainer import fit

    pretrained = paths.model(task.name, "pretrained")
    io.require(pretrained)
    pin_torch(runtime)
    seen = training.steps * training.accumulation * training.batch_size * runtime.processes
    model = family(task).start(pretrained, task, rows, training, training.model)
    curve = fit(
        model.network,
        model.loss,
        model.encode(hash_sample(rows, seen)),
        model.encode(validation),
        model.collate(),
        training,
        runtime,
    )
    return Trained(model, curve)
