"""The short fit that gives a smaller network back what it can do, by labels or by a teacher."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tandem.compression import CompressionContext
from tandem.core.rows import hash_sample
from tandem.core.training_params import TrainingParams
from tandem.modeling.base import TextModel

Examples = Sequence[dict[str, Any]]


def examples(given: CompressionContext, training: TrainingParams) -> Examples:
    """The training rows that `training` asks for, encoded and cut as it says."""
    given.model.set_max_length(training.max_length)
    return given.model.encode(hash_sample(given.rows, training.max_rows))


def recover(
    given: CompressionContext,
    shown: Examples,
    training: TrainingParams,
    loss: Callable[[Any, dict[str, Tensor], float], Tensor] | None = None,
) -> None:
    """Fit the model to the examples `shown`, by its own loss or another.

    Raises:
        StageError: there are no rows, or the loss is not a number.
    """
    from tandem.modeling.training.trainer import (
        fit,  # slow, and reading a compressed model needs none
    )

    model = given.model
    fit(
        model.network,
        loss or model.loss,
        shown,
        model.encode(hash_sample(given.validation, training.max_validation_rows)),
        model.collate(),
        training,
        given.runtime,
    )


def distillation_loss(
    model: TextModel, teacher: Any, soft: float, temperature: float = 1.0
) -> Callable[[Any, dict[str, Tensor], float], Tensor]:
    """The loss of a student of `teacher`, whose family is that of `model`."""

    def loss(student: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        with torch.no_grad():
            wanted = model.logits_of(teacher, batch)
        given = model.logits_of(student, batch)
        pairs = zip(given, wanted, strict=True)
        total = torch.stack([divergence(*pair, temperature) for pair in pairs]).sum()
        if soft == 1:
            return total
        return soft * total + (1 - soft) * model.loss(student, batch, smoothing)

    return loss


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(teacher ‖ student) of logits (answers, classes), in nats, the mean over answers.

    No answers have none. T² keeps the gradient's size the same for all temperatures.
    """
    given, wanted = ((logits / temperature).log_softmax(1) for logits in (student, teacher))
    total = functional.kl_div(given, wanted, reduction="sum", log_target=True)
    return temperature**2 * total / max(1, len(student))
