"""Write the files of a stage that trains a model: the model, its metrics and its loss history."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from tandem.core import io, paths
from tandem.modeling.training.trainer import HISTORY_COLUMNS


class SavableModel(Protocol):
    """A trained model: a `TextModel` or a `RewardModel`."""

    network: Any

    def save(self, folder: Path) -> None:
        """Write the model into `folder`."""


def write_fitted(
    stage: str,
    task_name: str,
    variant: str,
    model: SavableModel,
    history: Sequence[Mapping[str, float]],
    results: Mapping[str, Any],
) -> None:
    """Write `model` as a variant of a task's model, and the metrics and loss history of `stage`.

    The metrics are the number of parameters, the number of steps, the lowest validation loss and
    the `results` of the stage.
    """
    training = {
        "parameters": model.network.num_parameters(),
        "steps": history[-1]["step"],
        "validation_loss": min(evaluation["validation_loss"] for evaluation in history),
    }
    with io.atomic_outputs(
        paths.model(task_name, variant),
        paths.details(stage, task_name),
        paths.plots(stage, task_name),
    ) as (folder, metrics, plot):
        model.save(folder)
        io.write_details(metrics, {**training, **results})
        write_history(plot, history)


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write the loss history as the CSV table of a DVC plot, with six significant digits."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for evaluation in history:
        losses = (f"{evaluation[name]:.6g}" for name in HISTORY_COLUMNS[1:])
        writer.writerow([evaluation["step"], *losses])
    io.write_text(path, table.getvalue())
