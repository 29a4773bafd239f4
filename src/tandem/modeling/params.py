"""Params of the model families and of the stage that trains them, validated without torch."""

from typing import Annotated, Any, Literal

from pydantic import Field

from tandem.core import params, paths
from tandem.core.errors import ParamsError
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams


class CausalParams(StrictModel):
    """The causal family has no params: the pretrained weights define the network."""

    kind: Literal["causal"]


class ClassificationParams(StrictModel):
    """Params of a classifier."""

    kind: Literal["classification"]
    rating_thresholds: list[float] | None = None
    """Thresholds of the mean rating between neighbouring classes, ascending, one fewer than there
    are classes. If set, the model is trained on soft labels from the ratings; null trains on the
    labels."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` gives all classes the same total weight in the loss, regardless of their number of
    rows."""


class Seq2SeqParams(StrictModel):
    """Params of a sequence-to-sequence model."""

    kind: Literal["seq2seq"]
    vocab_size: int = Field(ge=300)
    """Size of the byte-level BPE vocabulary that source and target share."""
    num_beams: int = Field(default=4, ge=1)
    """Number of beams in the search; 1 is greedy search."""
    length_penalty: float = 1.0
    """Length penalty: a translation's log-probability is divided by its length raised to this
    power."""


class TaggingParams(StrictModel):
    """Params of a model that classifies a text and tags its spans."""

    kind: Literal["tagging"]
    pooling: Literal["first", "mean"] = "first"
    """What the label is predicted from: the first token, or the mean of all tokens."""
    span_weight: float = Field(default=1.0, gt=0)
    """Weight of the loss of the tags, relative to the loss of the label."""
    span_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Fraction of the rows of a batch in which the words of all spans are replaced with random ones
    in training, so that the model learns from the words around a span."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` gives all labels the same total weight in the loss, regardless of their number of
    rows."""


FamilyParams = Annotated[
    CausalParams | ClassificationParams | Seq2SeqParams | TaggingParams,
    Field(discriminator="kind"),
]


class TrainParams(TrainingParams):
    """How a task's model is trained: the params of any training run, and those of the family."""

    model: FamilyParams
    """`kind` is the family of the task; the other keys are that family's params."""


def train_params(task: BaseTask, content: dict[str, Any] | None = None) -> TrainParams:
    """Load the section `train` of `task` from params.yaml, or from `content` if given.

    Raises:
        ParamsError: the section is invalid, or names a family other than the task's.
    """
    section = params.load(TrainParams, task.name, "train", content=content)
    if section.model.kind != task.family:
        key = f"{paths.PARAMS}: {task.name}.train.model.kind"
        raise ParamsError(f"{key} must be {task.family!r}, the family of {task.name}")
    return section
