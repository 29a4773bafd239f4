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

from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.determinism import pin_torch
from tandem.core.errors import ParamsError
from tandem.core.params import Runtime
from tandem.core.records import Row
from tandem.core.training import Training


class Params(Training):
    """How a task's model is trained: what every family has, and the family's own settings."""

    model: params.plugin("families")  # type: ignore[valid-type]
    """`kind` is the task's family; the rest is that family's `Params`."""


class Trained(NamedTuple):
    """A model, and what it was trained with."""

    model: Any
    curve: list[dict[str, float]]
    rows: int
    validation: Sequence[Row]

    @property
    def validation_loss(self) -> float:
        """The least of the curve, which is that of the model's weights."""
        return min(look["validation_loss"] for look in self.curve)


def main(task: str) -> None:
    """Train the model of one task."""
    from tandem.modeling import parallel  # this takes seconds, and a check of params needs none

    parallel.run(write, params.project().runtime.processes, task)


def write(task: str) -> None:
    """Train the model of one task and write it; of several processes, the first writes."""
    from tandem import metrics
    from tandem.modeling import parallel, write_fitted

    runtime = params.project().runtime
    training = params.load(Params, task, "train")
    found = trained(task, training, runtime)
    if parallel.is_first():
        predictions = found.model.predict(found.validation, 2 * training.batch_size)
        scores = metrics.score(tasks.load(task), found.validation, predictions, runtime)[0]
        facts = {"rows": found.rows, "validation": scores}
        write_fitted("train", task, "base", found.model, found.curve, facts)


def trained(task: str, training: Params, runtime: Runtime) -> Trained:
    """The model of one task, trained with these params; nothing is written."""
    from tandem.modeling import family, fit

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
    return Trained(model, curve, len(rows), validation)
