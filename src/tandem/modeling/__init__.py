"""Models: `families` has one module per family, found by name; `params` has their params.

    base         what all families share: a network, a tokenizer, a folder
    families     causal, classification, seq2seq, tagging: each a class `Model`
    training     the trainer, its options, and the files of a trained model
    translation  what only seq2seq uses
    batching     batches of sequences of similar length
    bio_tags     spans of a text as tags of its words

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
    """Return the class of the models of `task`."""
    model: type[TextModel] = registry.load("modeling.families", task.family).Model
    return model


def load(folder: Path, task: BaseTask) -> "TextModel":
    """Load the model in `folder`, in evaluation mode: pretrained, trained, aligned or compressed.

    Raises:
        StageError: the folder is missing; the stage that writes it has not run.
    """
    require_exists(folder)
    return family(task).load(folder, task)
