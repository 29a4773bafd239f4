"""Models. `families` contains a module per model family; `params` defines the families' params.

    base         the base class of all families: a network with its tokenizer
    families     causal, classification, seq2seq and tagging, each with a class `Model`
    training     the trainer, its options, and the files of a trained model
    translation  modules for translation, which the family seq2seq uses
    batching     batches of sequences of similar length
    bio_tags     conversion between spans of a text and tags of its words

This module, `params`, `batching` and `bio_tags` do not import torch.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from tandem.core import registry
from tandem.core.io import require_exists
from tandem.core.task import BaseTask

if TYPE_CHECKING:
    from tandem.modeling.base import TextModel


def family(task: BaseTask) -> "type[TextModel]":
    """Return the model class for `task`."""
    model: type[TextModel] = registry.load("modeling.families", task.family).Model
    return model


def load(folder: Path, task: BaseTask) -> "TextModel":
    """Load the pretrained, trained, aligned or compressed model in `folder`, in evaluation mode.

    Raises:
        StageError: the folder is missing; the stage that writes it has not run.
    """
    require_exists(folder)
    return family(task).load(folder, task)
