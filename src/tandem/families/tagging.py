"""Settings of the tagging family; the model is `tandem.modeling.tagging`."""

from typing import ClassVar

from pydantic import Field

from tandem.core.params import Plugin


class Params(Plugin):
    """What a tagger is trained on."""

    package: ClassVar[str] = "families"

    span_weight: float = Field(gt=0)
    """Weight of the tags' loss beside the label's."""
