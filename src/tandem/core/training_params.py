"""How a model is fitted: the params of every stage that trains. `tandem.modeling` does it.

They stand here, apart from what needs torch, so that params.yaml is checked in no time.
"""

from typing import Literal

from pydantic import Field

from tandem.core.schema import StrictModel


class Lora(StrictModel):
    """Low-rank adapters in place of the blocks' own weights (Hu et al. 2021, "LoRA")."""

    rank: int = Field(ge=1)
    """Rank of the matrices that are added to a linear layer's."""
    alpha: float = Field(gt=0)
    """What is added is scaled by `alpha / rank`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that is dropped in training."""
    targets: list[str] | None = Field(default=None, min_length=1)
    """Last parts of the names of the blocks' linear layers (`query`, `q_proj`); null: all."""


class Training(StrictModel):
    """How a model is fitted; every family and every stage that trains uses the same names."""

    steps: int = Field(ge=1)
    """Optimiser steps at the most."""
    evaluate_every: int = Field(ge=1)
    """Steps between two looks at the validation loss."""
    patience: int = Field(ge=1)
    """Looks without a better validation loss after which training stops."""
    batch_size: int = Field(ge=1)
    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    optimizer: Literal["adamw", "adafactor", "sgd"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019), Adafactor, which keeps a row and a column in place of a
    matrix of second moments (Shazeer & Stern 2018), or plain gradient descent."""
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the learning rate rises from zero."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a step's gradient."""
    l1: float = Field(default=0.0, ge=0)
    """Weight of the sum of the trainable weights' absolute values, added to the loss."""
    l2: float = Field(default=0.01, ge=0)
    """Weight decay, decoupled from the gradient except with sgd (Loshchilov & Hutter 2019)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    trainable_layers: int | None = Field(default=None, ge=1)
    """Train only the last N blocks and the head; null trains all."""
    lora: Lora | None = None
    """Train adapters of the trainable blocks' linear layers, and what stands after the blocks."""
    max_length: int = Field(ge=4)
    """Tokens of an example at the most; longer ones are cut."""
    max_rows: int | None = Field(default=None, ge=1)
    """Training rows at the most, the first in hashed order; null takes all."""
    max_validation_rows: int = Field(default=500, ge=1)
