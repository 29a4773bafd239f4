"""What several methods can be set to, apart from what does it: params are checked without torch."""

from pydantic import Field

from tandem.core.schema import StrictModel
from tandem.core.training_params import Training


class Pruning(StrictModel):
    """How much is taken out, and how the rest is healed; see `_pruning`."""

    units: float = Field(gt=0, le=1)
    """Share of each feed-forward layer's units that stays."""
    blocks: float = Field(gt=0, le=1)
    """Share of each stack's blocks that stays."""
    rows: int = Field(ge=1)
    """Training rows by which units, heads and blocks are judged."""
    soft: float = Field(default=0.0, ge=0, le=1)
    """Weight of the whole network's answers in the healing's loss; the rest is the labels'."""
    healing: Training


class Smoothing(StrictModel):
    """How outliers of activations are moved into the weights before; see `_smoothing`."""

    alpha: float = Field(ge=0, le=1)
    """How much of the range is moved: 0 leaves it in the activations, 1 moves all."""
    rows: int = Field(ge=1)
    """Training rows by which ranges are judged."""
