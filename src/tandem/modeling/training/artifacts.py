"""What every stage that fits a model writes: the model, its metrics and its loss curve."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from tandem.core import io, paths
from tandem.modeling.training.trainer import HISTORY_COLUMNS


class Fitted(Protocol):
    """A model that has been fitted: a `TextModel` or what is made of one."""

    network: Any

    def save(self, folder: Path) -> None:
        """Write the model into `folder`."""


def write_fitted(
    stage: str,
    task: str,
    variant: str,
    model: Fitted,
    curve: Sequence[Mapping[str, float]],
    found: Mapping[str, Any],
) -> None:
    """Write `model` as `variant` of `task`, and what `stage` found beside the facts of its fit."""
    facts = {
        "parameters": model.network.num_parameters(),
        "steps": curve[-1]["step"],
        "validation_loss": min(look["validation_loss"] for look in curve),
    }
    with io.atomic_outputs(
        paths.model(task, variant), paths.details(stage, task), paths.plots(stage, task)
    ) as (folder, scores, plot):
        model.save(folder)
        io.write_details(scores, {**facts, **found})
        write_curve(plot, curve)


def write_curve(path: Path, curve: Sequence[Mapping[str, float]]) -> None:
    """The curve as the CSV table behind a DVC plot, six significant digits."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for look in curve:
        writer.writerow([look["step"], *(f"{look[name]:.6g}" for name in HISTORY_COLUMNS[1:])])
    io.write_text(path, table.getvalue())
