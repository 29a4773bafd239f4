"""Training params, shared by all stages that train a model.

`tandem.modeling.training` implements these params. This module does not import torch,
so params.yaml can be checked quickly.
"""

from typing import Literal

from pydantic import Field

from tandem.core.schema import StrictModel


class LoraParams(StrictModel):
    """Low-rank adapters, trained in place of the blocks' weights (Hu et al. 2021, "LoRA")."""

    r: int = Field(ge=1)
    """Rank of the added matrices."""
    alpha: float = Field(gt=0)
    """The output of an adapter is scaled by `alpha / r`."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout probability of the adapters' inputs in training."""
    target_modules: list[str] | None = Field(default=None, min_length=1)
    """Last parts of the names of the linear layers to adapt, such as `query`; null adapts all of
    them."""


class TrainingParams(StrictModel):
    """Params of a training run; all model families and stages use the same keys."""

    max_steps: int = Field(ge=1)
    """Maximum number of optimizer steps."""
    eval_steps: int = Field(ge=1)
    """Optimizer steps between two evaluations of the validation loss."""
    early_stopping_patience: int = Field(default=2, ge=1)
    """Stop after this many consecutive evaluations without a new lowest validation loss."""
    batch_size: int = Field(ge=1)
    """Rows per batch."""
    gradient_accumulation_steps: int = Field(default=1, ge=1)
    """Number of batches whose gradients are accumulated for one optimizer step."""
    optimizer: Literal["adamw", "adafactor", "sgd"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019); Adafactor, which factors a matrix of second moments into a
    row and a column (Shazeer & Stern 2018); or plain gradient descent."""
    learning_rate: float = Field(gt=0)
    """Highest learning rate."""
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    """Learning rate schedule after the warm-up."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of the steps during which the learning rate rises linearly from zero."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Maximum norm to which gradients are clipped."""
    l1: float = Field(default=0.0, ge=0)
    """Coefficient of the L1 penalty on the trainable weights, which is added to the loss."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Weight decay, decoupled from the gradient except with sgd (Loshchilov & Hutter 2019)."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout probability, used for every kind of dropout in the network."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Label smoothing factor."""
    trainable_layers: int | None = Field(default=None, ge=1)
    """Train only the last N blocks and the head; null trains all blocks."""
    lora: LoraParams | None = None
    """Train adapters on the linear layers of the trainable blocks; the head and any other layers
    after the blocks are trained without adapters."""
    max_length: int = Field(ge=4)
    """Maximum number of tokens per example; longer examples are truncated."""
    max_rows: int | None = Field(default=None, ge=1)
    """Maximum number of training rows, taken in the order of hashed ids; null uses all of them."""
    max_validation_rows: int = Field(default=500, ge=1)
    """Maximum number of validation rows, taken in the order of hashed ids."""
