"""The short fit that gives a smaller network back what it can do."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from tandem.compression import Given
from tandem.core import records
from tandem.modeling import Training, fit

Examples = Sequence[dict[str, Any]]


def examples(given: Given, training: Training) -> Examples:
    """The training rows that `training` asks for, encoded and cut as it says."""
    given.model.limit(training.max_length)
    return given.model.encode(records.first(given.rows, training.max_rows))


def heal(
    given: Given,
    shown: Examples,
    training: Training,
    loss: Callable[[Any, dict[str, Tensor], float], Tensor] | None = None,
) -> None:
    """Fit the model to the examples `shown`, by its own loss or another.

    Raises:
        StageError: there are no rows, or the loss is not a number.
    """
    model = given.model
    fit(
        model.network,
        loss or model.loss,
        shown,
        model.encode(records.first(given.validation, training.max_validation_rows)),
        model.collate(),
        training,
        given.runtime,
    )
