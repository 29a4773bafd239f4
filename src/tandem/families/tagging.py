"""Settings of the tagging family; the model is `tandem.modeling.families.tagging`."""

from typing import ClassVar, Literal

from pydantic import Field

from tandem.core.params import Plugin


class Params(Plugin):
    """What a tagger is trained on."""

    package: ClassVar[str] = "families"

    pooling: Literal["first", "mean"] = "first"
    """What the text's label is read from: its first token, or the mean of all."""
    span_weight: float = Field(gt=0)
    """Weight of the tags' loss beside the label's."""
    hidden: float = Field(ge=0, lt=1)
    """Share of the rows of a batch whose spans' words are replaced at random in training, so that
    what stands around a span tells its label too."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` has all labels weigh the same in their loss, whatever their rows; not the tags."""
