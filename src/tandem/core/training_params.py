"""How a model is fitted: the params of every stage that trains. `tandem.modeling` does it.

They stand here, apart from what needs torch, so that params.yaml is checked in no time.
"""

from typing import Literal

from pydantic import Field

from tandem.core.schema import StrictModel


class LoraParams(StrictModel):
    """Low-rank adapters in place of the blocks' own weights (Hu et al. 2021, "LoRA")."""

    r: int = Field(ge=1)
    """Rank of the added matrices."""
    alpha: float = Field(gt=0)
    """What is added is scaled by `alpha / r`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs that is dropped in training."""
    target_modules: list[str] | None = Field(default=None, min_length=1)
    """Last parts of the names of the blocks' linear layers (`query`, `q_proj`); null: all."""


class TrainingParams(StrictModel):
    """How a model is fitted; every family and every stage that trains uses the same names."""

    max_steps: int = Field(ge=1)
    """Optimizer steps, at most."""
    eval_steps: int = Field(ge=1)
    """Optimizer steps between two evaluations of the validation loss."""
    early_stopping_patience: int = Field(default=2, ge=1)
    """Evaluations without a lower validation loss after which training stops."""
    batch_size: int = Field(ge=1)
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    optimizer: Literal["adamw", "adafactor", "sgd"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019), Adafactor, which keeps a row and a column in place of a
    matrix of second moments (Shazeer & Stern 2018), or plain gradient descent."""
    learning_rate: float = Field(gt=0)
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the steps in which the learning rate rises linearly from zero."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    l1: float = Field(default=0.0, ge=0)
    """Weight of the L1 norm of the trainable weights, added to the loss."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay, decoupled from the gradient except with sgd (Loshchilov & Hutter 2019)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    trainable_layers: int | None = Field(default=None, ge=1)
    """Train only the last N blocks and the head; null trains all."""
    lora: LoraParams | None = None
    """Train adapters of the trainable blocks' linear layers, and what stands after the blocks."""
    max_length: int = Field(ge=4)
    """Tokens of an example at the most; longer ones are cut."""
    max_rows: int | None = Field(default=None, ge=1)
    """Training rows at the most, the first in hashed order; null takes all."""
    max_validation_rows: int = Field(default=500, ge=1)
