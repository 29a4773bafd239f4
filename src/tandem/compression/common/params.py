"""What several methods can be set to, apart from what does it: params are checked without torch."""

from pydantic import Field

from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams


class PruningParams(StrictModel):
    """How much is taken out, and how the rest is healed; see `_pruning`."""

    keep_ffn: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the units of each feed-forward layer that is kept."""
    keep_layers: float = Field(default=1.0, gt=0, le=1)
    """Fraction of the blocks of each stack that is kept."""
    rows: int = Field(ge=1)
    """Training rows by which units, heads and blocks are judged."""
    distillation_weight: float = Field(default=0.0, ge=0, le=1)
    """Weight of the whole network's answers in the healing's loss; the rest is the labels'."""
    recovery: TrainingParams


class SmoothingParams(StrictModel):
    """How outliers of activations are moved into the weights before; see `_smoothing`."""

    alpha: float = Field(ge=0, le=1)
    """How much of the range is moved: 0 leaves it in the activations, 1 moves all."""
    rows: int = Field(ge=1)
    """Training rows by which ranges are judged."""
