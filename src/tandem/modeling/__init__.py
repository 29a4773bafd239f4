"""Model families: one a file, each with a class `Model` below `TextModel`.

Beside it stands `class Params(Plugin)` with the family's own settings, read from the part
`model: {kind: FAMILY, …}` of a task's `train` section.

Only stages that train or run a model import from here; everything here imports torch, and
`fitting` the Trainer of transformers too, which takes seconds: stages that fit a model import it.
"""

from pathlib import Path

from tandem.core import registry
from tandem.core.io import require
from tandem.core.task import BaseTask
from tandem.core.training_params import Training
from tandem.modeling.base import TextModel

__all__ = ["TextModel", "Training", "family", "load"]


def family(task: BaseTask) -> type[TextModel]:
    """The family that a task's models belong to."""
    found: type[TextModel] = registry.load("modeling", task.family).Model
    return found


def load(folder: Path, task: BaseTask) -> TextModel:
    """The model in `folder`, in evaluation mode: pretrained, trained, aligned or compressed.

    Raises:
        StageError: the folder is missing; the stage that writes it has not run.
    """
    require(folder)
    return family(task).load(folder, task)
