"""Train the model of a task; all stages and tools that train such a model use this module."""

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
    """A trained model, and the history of its training."""

    model: TextModel
    history: list[dict[str, float]]

    @property
    def validation_loss(self) -> float:
        """The model's validation loss, which is the lowest in the history."""
        return min(evaluation["validation_loss"] for evaluation in self.history)


def training_rows(task: BaseTask, params: TrainParams) -> tuple[list[Row], list[Row]]:
    """Read the training and the validation rows.

    Raises:
        StageError: train.parquet or validation.parquet is missing.
    """
    rows = read_rows(paths.augmented(task.name) / "train.parquet", task.row)
    validation = read_rows(paths.split(task.name) / "validation.parquet", task.row)
    return hash_sample(rows, params.max_rows), hash_sample(validation, params.max_validation_rows)


def train_model(
    task: BaseTask,
    rows: Sequence[Row],
    validation: Sequence[Row],
    params: TrainParams,
    runtime: Runtime,
) -> TrainedModel:
    """Train a model on `rows`, starting from the pretrained weights of `task`; write no file.

    Whatever a model family learns in addition to weights, such as a vocabulary, is learned from all
    `rows`. If training has too few steps to use all rows, only as many rows as the steps can use
    are encoded: the first ones in the order of their hashed ids.

    Raises:
        StageError: the pretrained weights are missing, or training failed; see `trainer.fit`.
    """
    pretrained = paths.model(task.name, "pretrained")
    io.require_exists(pretrained)
    make_torch_deterministic(runtime)
    reachable = (
        params.max_steps
        * params.gradient_accumulation_steps
        * params.batch_size
        * runtime.processes
    )
    model = family(task).initialize(pretrained, task, rows, params, params.model)
    history = fit(
        model.network,
        model.loss,
        model.encode(hash_sample(rows, reachable)),
        model.encode(validation),
        model.collate(),
        params,
        runtime,
    )
    return TrainedModel(model, history)
