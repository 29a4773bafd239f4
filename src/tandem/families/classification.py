"""Settings of the classification family; the model is `tandem.modeling.families.classification`."""

from typing import ClassVar, Literal

from pydantic import Field

from tandem.core.params import Plugin


class Params(Plugin):
    """What a classifier is trained on."""

    package: ClassVar[str] = "families"

    rating_edges: list[float] | None = Field(default=None)
    """Mean ratings between neighbouring classes, rising, one fewer than classes; null: labels."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` has all classes weigh the same in the loss, whatever their rows; soft ones too."""
