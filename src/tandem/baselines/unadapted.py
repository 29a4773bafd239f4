"""Unadapted: predict with the pretrained weights as downloaded, without any training."""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "pretrained, not fine-tuned"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Predict with the pretrained model."""
    from tandem import modeling

    return modeling.load(context.pretrained, task).predict(test, context.batch_size)
