"""Baselines, scored on the same test rows as the models; each is a module of this package.

A baseline module implements the interface `Baseline`. Importing such a module is fast, because
only `predict` imports slow libraries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from tandem.core import registry
from tandem.core.params import Runtime
from tandem.core.task import BaseTask


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineContext:
    """The data and settings that a baseline may use in addition to the rows."""

    runtime: Runtime
    pretrained: Path
    """The folder of the pretrained weights that the training of the task's model starts from."""
    batch_size: int
    """Number of rows per batch, for a baseline that runs the pretrained model."""


class Baseline(Protocol):
    """The interface of a baseline module."""

    LABEL: str
    """The name of the baseline in reports."""

    def predict(
        self, task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
    ) -> list[dict[str, Any]]:
        """Return one prediction per test row, in order, with the same keys as a model's prediction.

        A baseline learns from the training rows only.
        """


def load(name: str) -> Baseline:
    """Return the baseline with this name.

    Raises:
        UnknownName: there is no such baseline.
    """
    return cast(Baseline, registry.load("baselines", name))
