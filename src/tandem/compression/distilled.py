"""A student network with fewer blocks, trained to match its teacher's predictions.

Knowledge distillation (Hinton, Vinyals & Dean 2015, "Distilling the Knowledge in a Neural
Network"): the loss is (1 - w) · L + w · T² · KL(teacher ‖ student). The weight w is
`distillation_weight`, L is the loss of the model family, and the distributions of teacher and
student are computed at the temperature T. For model families that generate text, this is word-level
distillation (Kim & Rush 2016, "Sequence-Level Knowledge Distillation").

The student is initialized with evenly spaced blocks of the teacher, including the first and the
last (Sanh et al. 2019, "DistilBERT"; Shleifer & Rush 2020, "Pre-trained Summarization
Distillation"). The student is an ordinary, smaller network that `from_pretrained` can read.
"""

import copy
from typing import Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams

LABEL = "fewer blocks, distilled from the trained model"


class Params(StrictModel):
    """How small the student is, and how it is trained."""

    keep_layers: float = Field(gt=0, lt=1)
    """Fraction of each stack's blocks that the student keeps."""
    temperature: float = Field(gt=0)
    """Temperature, the divisor of the logits; a higher temperature gives more weight to improbable
    classes."""
    distillation_weight: float = Field(gt=0, le=1)
    """Weight of the teacher's predictions in the loss; the labels have the remaining weight."""
    training: TrainingParams


def compress(context: CompressionContext, params: Params) -> None:
    """Train a smaller copy of the model on the training rows, and write it.

    Raises:
        StageError: the network has no blocks of a supported architecture, or training failed.
    """
    from tandem.compression.common import blocks, recovery

    model = context.model
    teacher: Any = model.network
    student: Any = copy.deepcopy(teacher)
    stacks = list(blocks.stacks(student))
    if not stacks:
        raise StageError(f"distilled: {type(student).__name__} has no blocks that can be removed")
    for name, stack in stacks:
        count = max(1, round(params.keep_layers * len(stack)))
        blocks.keep_blocks(student, name, evenly_spaced(count, len(stack)))
    model.network = student
    examples = recovery.encode_rows(context, params.training)
    loss = recovery.distillation_loss(
        model, teacher, params.distillation_weight, params.temperature
    )
    recovery.recover(context, examples, params.training, loss)
    model.save(context.folder)


def evenly_spaced(count: int, total: int) -> list[int]:
    """`count` evenly spaced indices from 0 to `total` - 1, both included; only 0 if `count` is 1.

    >>> evenly_spaced(3, 6)
    [0, 2, 5]
    """
    return [round(index * (total - 1) / max(1, count - 1)) for index in range(count)]
