"""Params that several compression methods share, validated without importing torch."""

from pydantic import Field

from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams


class PruningParams(StrictModel):
    """How much of the network is removed, and how the rest is fine-tuned; see `pruning`."""

    keep_ffn: float = Field(default=1.0, gt=0, le=1)
    """Fraction of units to keep in each feed-forward layer."""
    keep_layers: float = Field(default=1.0, gt=0, le=1)
    """Fraction of blocks to keep in each stack."""
    rows: int = Field(ge=1)
    """Number of training rows on which the importance of units, heads and blocks is measured."""
    distillation_weight: float = Field(default=0.0, ge=0, le=1)
    """Weight of the original network's predictions in the loss; the labels have the remaining
    weight."""
    recovery: TrainingParams
    """How the pruned network is fine-tuned."""


class SmoothingParams(StrictModel):
    """How activation outliers are moved into the weights; see `smoothquant`."""

    alpha: float = Field(ge=0, le=1)
    """Fraction of the activation range that is moved into the weights: 0 leaves the range in the
    activations, 1 moves all of it."""
    rows: int = Field(ge=1)
    """Number of training rows on which activation ranges are measured."""
