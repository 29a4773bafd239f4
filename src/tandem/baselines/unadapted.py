"""Unadapted: the pretrained weights as they were fetched, before any training of ours."""

from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "pretrained, not fine-tuned"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: BaselineContext
) -> list[dict[str, Any]]:
    """What the model of `settings.pretrained` answers."""
    from tandem import modeling

    return modeling.load(settings.pretrained, task).predict(test, settings.batch_size)
