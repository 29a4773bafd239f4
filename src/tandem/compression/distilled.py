"""A student of fewer blocks that learns to answer as its teacher does.

Knowledge distillation (Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural
Network"): the loss is (1 - w) · L + w · T² · KL(teacher ‖ student), both distributions taken at
the temperature T, and L the family's own loss. For the families that write, that is word by word
(Kim & Rush 2016, "Sequence-Level Knowledge Distillation").

The student starts from the teacher's own blocks, evenly spaced, the first and the last among them
(Sanh et al. 2019, "DistilBERT"; Shleifer & Rush 2020, "Pre-trained Summarization Distillation").
It is a plain smaller network, read by `from_pretrained`.
"""

import copy
from typing import Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.compression.common import blocks, recovery
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams

LABEL = "fewer blocks, distilled from the trained model"


class Params(StrictModel):
    """How small the student is, and how it learns."""

    keep_layers: float = Field(gt=0, lt=1)
    """Share of each stack's blocks that the student has."""
    temperature: float = Field(gt=0)
    """What logits are divided by: the higher, the more unlikely answers count."""
    distillation_weight: float = Field(gt=0, le=1)
    """Weight of the teacher's answers in the loss; the rest is the labels'."""
    training: TrainingParams


def compress(given: CompressionContext, settings: Params) -> None:
    """Teach a smaller copy of the model on the training rows, write it.

    Raises:
        StageError: no stack of a known shape is found, or training fails.
    """
    model = given.model
    teacher: Any = model.network
    student: Any = copy.deepcopy(teacher)
    found = list(blocks.stacks(student))
    if not found:
        raise StageError(f"{type(student).__name__} has no block that `student` knows")
    for name, stack in found:
        count = max(1, round(settings.keep_layers * len(stack)))
        blocks.keep_blocks(student, name, spaced(count, len(stack)))
    model.network = student
    examples = recovery.examples(given, settings.training)
    lesson = recovery.distillation_loss(
        model, teacher, settings.distillation_weight, settings.temperature
    )
    recovery.recover(given, examples, settings.training, lesson)
    model.save(given.folder)


def spaced(count: int, among: int) -> list[int]:
    """`count` numbers below `among`, evenly spaced, the first and the last among them.

    >>> spaced(3, 6)
    [0, 2, 5]
    """
    return [round(number * (among - 1) / max(1, count - 1)) for number in range(count)]
