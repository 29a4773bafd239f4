"""Train the model of a task; stages and tools that train one call this."""

from collections.abc import Sequence
from typing import NamedTuple

from tandem.core import io, paths
from tandem.core.params import Runtime
from tandem.core.rows import Row, hash_sample, read_rows
from tandem.core.task import BaseTask
from tandem.modeling import family
from tandem.modeling.base import TextModel
from tandem.modeling.params import TrainParams
from tandem.modeling.seeding import make_torch_deterministic
from tandem.modeling.training.trainer import fit


class TrainedModel(NamedTuple):
    """A model, and the history of its losses."""

    model: TextModel
    curve: list[dict[str, float]]

    @property
    def validation_loss(self) -> float:
        """The lowest of the history; the model has the weights of that step."""
        return min(look["validation_loss"] for look in self.curve)


def training_rows(task: BaseTask, training: TrainParams) -> tuple[list[Row], list[Row]]:
    """The rows to train on, and those to validate on.

    Raises:
        StageError: a table is missing.
    """
    rows = read_rows(paths.augmented(task.name) / "train.parquet", task.row)
    validation = read_rows(paths.split(task.name) / "validation.parquet", task.row)
    return (
        hash_sample(rows, training.max_rows),
        hash_sample(validation, training.max_validation_rows),
    )


def train_model(
    task: BaseTask,
    rows: Sequence[Row],
    validation: Sequence[Row],
    training: TrainParams,
    runtime: Runtime,
) -> TrainedModel:
    """A model of `task`, trained on `rows` from its pretrained weights; nothing is written.

    What a family learns besides weights, such as a vocabulary, it learns from all `rows`. If the
    steps cannot reach all of them, only the first by hashed id are encoded.

    Raises:
        StageError: the pretrained weights are missing, or training failed; see `trainer.fit`.
    """
    pretrained = paths.model(task.name, "pretrained")
    io.require_exists(pretrained)
    make_torch_deterministic(runtime)
    seen = (
        training.max_steps
        * training.gradient_accumulation_steps
        * training.batch_size
        * runtime.processes
    )
    model = family(task).initialize(pretrained, task, rows, training, training.model)
    curve = fit(
        model.network,
        model.loss,
        model.encode(hash_sample(rows, seen)),
        model.encode(validation),
        model.collate(),
        training,
        runtime,
    )
    return TrainedModel(model, curve)
