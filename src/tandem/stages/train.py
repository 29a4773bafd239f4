"""Train a task's model, with early stopping on validation rows.

Reads   data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet,
        models/TASK/pretrained, the params `runtime` and `TASK.train`
Writes  models/TASK/base                   what `from_pretrained` of Hugging Face reads
        reports/metrics/train/TASK.json    validation scores, steps, rows, parameters
        reports/plots/train/TASK.csv       the loss curve

    tandem train sentiment
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.determinism import pin_torch
from tandem.core.errors import ParamsError
from tandem.core.params import Runtime
from tandem.core.records import Row
from tandem.core.task import BaseTask
from tandem.core.training import Training

if TYPE_CHECKING:
    from tandem.modeling import TextModel


class Params(Training):
    """How a task's model is trained: what every family has, and the family's own settings."""

    model: params.plugin("families")  # type: ignore[valid-type]
    """`kind` is the task's family; the rest is that family's `Params`."""


def main(task: str) -> None:
    """Train the model of one task."""
    from tandem import metrics  # these take seconds, and a check of params needs none
    from tandem.modeling import write_fitted

    runtime = params.project().runtime
    known = tasks.load(task)
    training = settings_of(known)
    everything = records.read(paths.augmented(task) / "train.parquet", known.row)
    rows = records.first(everything, training.max_rows)
    validation = records.first(
        records.read(paths.split(task) / "validation.parquet", known.row),
        training.max_validation_rows,
    )
    model, curve = trained(known, rows, validation, training, runtime)
    predictions = model.predict(validation, 2 * training.batch_size)

    found = {
        "rows": len(rows),
        "validation": metrics.score(known, validation, predictions, runtime)[0],
    }
    write_fitted("train", task, "base", model, curve, found)


def settings_of(task: BaseTask) -> Params:
    """The part `train` of the section of `task`.

    Raises:
        ParamsError: it is not right, or is for a model of another family.
    """
    training = params.load(Params, task.name, "train")
    if training.model.kind != task.family:
        at = f"{paths.PARAMS}: {task.name}.train.model.kind"
        raise ParamsError(f"{at} must be {task.family!r}, the family of {task.name}")
    return training


def trained(
    task: BaseTask,
    rows: Sequence[Row],
    validation: Sequence[Row],
    training: Params,
    runtime: Runtime,
) -> "tuple[TextModel, list[dict[str, float]]]":
    """A model of `task` fitted on `rows`, from its pretrained weights, and its loss curve.

    Raises:
        StageError: the pretrained weights are missing, or see `tandem.modeling.fit`.
    """
    from tandem.modeling import family, fit

    pretrained = paths.model(task.name, "pretrained")
    io.require(pretrained)
    pin_torch(runtime)
    model = family(task).start(pretrained, task, rows, training, training.model)
    curve = fit(
        model.network,
        model.loss,
        model.encode(rows),
        model.encode(validation),
        model.collate(),
        training,
        runtime,
    )
    return model, curve
