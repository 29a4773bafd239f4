"""Settings of the seq2seq family; the model is `tandem.modeling.families.seq2seq`."""

from typing import ClassVar

from pydantic import Field

from tandem.core.params import Plugin


class Params(Plugin):
    """What the family has of its own, below `train.model`."""

    package: ClassVar[str] = "families"
    vocabulary: int = Field(ge=300)
    """Tokens of the byte-level BPE vocabulary that source and target share."""
    beams: int = Field(default=4, ge=1)
    """Translations kept in view while decoding; 1 is greedy."""
    length_penalty: float = 1.0
    """Exponent of the length that a translation's log-probability is divided by."""
