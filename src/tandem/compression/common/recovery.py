"""Short recovery fine-tuning of a smaller network, on labels or by distillation."""

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


def encode_rows(context: CompressionContext, training: TrainingParams) -> Examples:
    """Encode the training rows; `training` limits their number and length."""
    context.model.set_max_length(training.max_length)
    return context.model.encode(hash_sample(context.rows, training.max_rows))


def recover(
    context: CompressionContext,
    examples: Examples,
    training: TrainingParams,
    loss: Callable[[Any, dict[str, Tensor], float], Tensor] | None = None,
) -> None:
    """Fine-tune the model on `examples` with `loss`, or with the model's loss if `loss` is None.

    Raises:
        StageError: there are no rows, or the loss is not a number.
    """
    # the trainer is slow to import, and not needed to load a compressed model
    from tandem.modeling.training.trainer import fit

    model = context.model
    fit(
        model.network,
        loss or model.loss,
        examples,
        model.encode(hash_sample(context.validation, training.max_validation_rows)),
        model.collate(),
        training,
        context.runtime,
    )


def distillation_loss(
    model: TextModel, teacher: Any, distillation_weight: float, temperature: float = 1.0
) -> Callable[[Any, dict[str, Tensor], float], Tensor]:
    """Return a loss function for distillation from `teacher`.

    The teacher and the student belong to the same family as `model`, which computes their logits.
    """

    def loss(student: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        with torch.no_grad():
            teacher_logits = model.logits_of(teacher, batch)
        student_logits = model.logits_of(student, batch)
        pairs = zip(student_logits, teacher_logits, strict=True)
        distilled = torch.stack([divergence(*pair, temperature) for pair in pairs]).sum()
        if distillation_weight == 1:
            return distilled
        labeled = model.loss(student, batch, smoothing)
        return distillation_weight * distilled + (1 - distillation_weight) * labeled

    return loss


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The mean of T² · KL(teacher ‖ student) over predictions, in nats; 0 if there are none.

    The factor T² keeps the size of gradients roughly independent of the temperature.

    Args:
        student: logits of shape (predictions, classes).
        teacher: logits of shape (predictions, classes).
        temperature: T, the divisor of the logits.
    """
    log_probs, teacher_log_probs = (
        (logits / temperature).log_softmax(1) for logits in (student, teacher)
    )
    total = functional.kl_div(log_probs, teacher_log_probs, reduction="sum", log_target=True)
    return temperature**2 * total / max(1, len(student))
