"""Unstructured pruning: set the smallest weights to zero, and store only the nonzero weights.

The method is magnitude pruning (Han et al. 2015, "Learning both Weights and Connections for
Efficient Neural Networks"). Recovery fine-tuning trains only the remaining weights: gradients of
pruned weights are masked at every step, so neither gradients nor momentum nor weight decay change a
pruned weight.

The method saves space, not time: the network is loaded with dense weights. In model.safetensors,
the remaining values of the weight NAME are stored under NAME, row by row, and a mask with one bit
per value is stored under NAME_mask.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.core.schema import StrictModel
from tandem.core.training_params import TrainingParams

if TYPE_CHECKING:
    from torch import Tensor

    from tandem.compression.common.stored_layers import StoredTensors


LABEL = "smallest weights set to zero"


class Params(StrictModel):
    """How many weights are removed, and how the rest are fine-tuned."""

    keep_weights: float = Field(gt=0, lt=1)
    """Fraction of weights to keep."""
    scope: Literal["layer", "network"]
    """Whether `keep_weights` applies to each layer, or to all weights of the network together."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings that are not pruned, given by their name suffixes."""
    recovery: TrainingParams | None
    """How the remaining weights are fine-tuned; null turns fine-tuning off."""


def compress(context: CompressionContext, params: Params) -> None:
    """Prune the model, fine-tune it on the training rows if `recovery` is set, and write it.

    Raises:
        StageError: fine-tuning failed.
    """
    from tandem.compression.common import recovery, stored_layers
    from tandem.compression.common.sparse_weights import count_nonzero, gradient_mask, prune, store

    pruned = prune(context.model.network, params.keep_weights, params.scope, params.skip_modules)
    if params.recovery:
        for weight in pruned:
            weight.register_hook(gradient_mask(weight != 0))  # type: ignore[no-untyped-call]
        examples = recovery.encode_rows(context, params.recovery)
        recovery.recover(context, examples, params.recovery)
    stored_layers.write_model(
        context, params.skip_modules, store, {"method": "magnitude"}, count_nonzero
    )


def restore(folder: Path, auto: Any) -> Any:
    """Load the network in `folder` with the transformers class `auto`; its weights are dense."""
    from tandem.compression.common import stored_layers
    from tandem.compression.common.sparse_weights import MASK, dense

    def rebuild(layer: Any, parts: StoredTensors, _: Tensor | None) -> Tensor:
        return dense(parts, layer.weight.shape)

    return stored_layers.restore(folder, auto, ("", MASK), rebuild)
