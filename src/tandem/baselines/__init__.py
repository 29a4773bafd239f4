"""Baselines: one a file, each what a model has to beat on the same test rows.

A baseline is a module with `predict(task, train, test, settings)`, which gives one answer a test
row, in order, of the same shape as the task's models give. It may learn from the training rows
alone. Importing one is light; what is heavy is imported when it runs.
"""

from dataclasses import dataclass
from pathlib import Path

from tandem.core.params import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a baseline may use beside the rows.

    `pretrained` is the folder of the weights that the task's model starts from; `batch_size`
    is for a baseline that runs them.
    """

    runtime: Runtime
    pretrained: Path
    batch_size: int
