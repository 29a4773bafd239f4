"""Settings of the classification family; the model is `tandem.modeling.classification`."""

from typing import ClassVar

from pydantic import Field

from tandem.core.params import Plugin


class Params(Plugin):
    """What a classifier is trained on."""

    package: ClassVar[str] = "families"

    rating_edges: list[float] | None = Field(default=None)
    """Mean ratings between neighbouring classes, rising, one fewer than classes; null: labels."""
