"""Params of the model families and of training, validated without importing torch."""

from typing import Annotated, Any, Literal

from pydantic import Field

from tandem.core import params, paths
from tandem.core.errors import ParamsError
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.core.training_params import TrainingParams


class CausalParams(StrictModel):
    """The causal family has no params of its own: the pretrained model defines the network."""

    kind: Literal["causal"]


class ClassificationParams(StrictModel):
    """Params of a classifier."""

    kind: Literal["classification"]
    rating_thresholds: list[float] | None = None
    """Ascending thresholds of the mean rating, one between every two neighbouring classes. If set,
    the model is trained on soft labels that are computed from the ratings; if null, it is trained
    on the rows' labels."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` gives all classes the same total weight in the loss, regardless of their number of
    rows."""


class Seq2SeqParams(StrictModel):
    """Params of a sequence-to-sequence model."""

    kind: Literal["seq2seq"]
    vocab_size: int = Field(ge=300)
    """Size of the byte-level BPE vocabulary that source and target share."""
    num_beams: int = Field(default=4, ge=1)
    """Number of beams in beam search; 1 means greedy search."""
    length_penalty: float = 1.0
    """Length penalty: the log-probability of a translation is divided by the translation's length
    raised to this power."""


class TaggingParams(StrictModel):
    """Params of a model that classifies a text and tags its spans."""

    kind: Literal["tagging"]
    pooling: Literal["first", "mean"] = "first"
    """The label is predicted from the output of the first token (`first`) or from the mean output
    of all tokens (`mean`)."""
    span_weight: float = Field(default=1.0, gt=0)
    """Weight of the tags' loss, relative to the label's loss."""
    span_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Fraction of the rows of a training batch in which the first token of every word in a span is
    replaced with a random token, so that the model learns from the words around a span."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` gives all labels the same total weight in the loss, regardless of their number of
    rows."""


FamilyParams = Annotated[
    CausalParams | ClassificationParams | Seq2SeqParams | TaggingParams,
    Field(discriminator="kind"),
]


class TrainParams(TrainingParams):
    """How a task's model is trained: params of the training run, and params of the model family."""

    model: FamilyParams
    """`kind` is the family of the task; the other keys are that family's params."""


def train_params(task: BaseTask, content: dict[str, Any] | None = None) -> TrainParams:
    """Load the section `train` of `task` from params.yaml, or from `content` if given.

    Raises:
        ParamsError: the section is invalid, or its `model.kind` is not the family of `task`.
    """
    section = params.load(TrainParams, task.name, "train", content=content)
    if section.model.kind != task.family:
        key = f"{paths.PARAMS}: {task.name}.train.model.kind"
        raise ParamsError(f"{key} must be {task.family!r}, the family of {task.name}")
    return section
