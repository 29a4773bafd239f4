"""Train a task's model, with early stopping on validation rows.

Reads   data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet,
        models/TASK/pretrained, the params `runtime` and `TASK.train`
Writes  models/TASK/base                   what `from_pretrained` of Hugging Face reads
        reports/metrics/train/TASK.json    validation scores, steps, rows, parameters
        reports/plots/train/TASK.csv       the loss curve

    tandem train sentiment
"""

from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.determinism import pin_torch
from tandem.core.errors import ParamsError
from tandem.core.training import Training


class Params(Training):
    """How a task's model is trained: what every family has, and the family's own settings."""

    model: params.plugin("families")  # type: ignore[valid-type]
    """`kind` is the task's family; the rest is that family's `Params`."""


def main(task: str) -> None:
    """Train the model of one task."""
    from tandem import metrics  # these take seconds, and a check of params needs none
    from tandem.modeling import family, fit, write_fitted

    runtime = params.project().runtime
    training = params.load(Params, task, "train")
    known = tasks.load(task)
    if training.model.kind != known.family:
        at = f"{paths.PARAMS}: {task}.train.model.kind"
        raise ParamsError(f"{at} must be {known.family!r}, the family of {task}")
    everything = records.read(paths.augmented(task) / "train.parquet", known.row)
    rows = records.first(everything, training.max_rows)
    validation = records.first(
        records.read(paths.split(task) / "validation.parquet", known.row),
        training.max_validation_rows,
    )
    pretrained = paths.model(task, "pretrained")
    io.require(pretrained)

    pin_torch(runtime)
    model = family(known).start(pretrained, known, rows, training, training.model)
    curve = fit(
        model.network,
        model.loss,
        model.encode(rows),
        model.encode(validation),
        model.collate(),
        training,
        runtime,
    )
    predictions = model.predict(validation, 2 * training.batch_size)

    found = {
        "rows": len(rows),
        "validation": metrics.score(known, validation, predictions, runtime)[0],
    }
    write_fitted("train", task, "base", model, curve, found)
