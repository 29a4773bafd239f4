"""Remove the least important blocks, attention heads and units of a network; fine-tune the rest.

This is structured pruning: the result is an ordinary, smaller network, which is faster without
special kernels. `common.pruning` chooses what is removed.

`from_pretrained` can read the folder, unless the config cannot express the new number of heads. For
example, configs of BERT and Marian have no separate head size: the head size is always the width
divided by the number of heads. If the config cannot express the number of heads, the folder
contains a file tandem.json, and `restore` takes the shapes of linear layers from their weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.compression.common.params import PruningParams
from tandem.core import io, paths

if TYPE_CHECKING:
    from torch import Tensor

    from tandem.compression.common.stored_layers import StoredTensors

LABEL = "fewer blocks, heads or units"


class Params(PruningParams):
    """How much of the network is removed, and how the rest is fine-tuned."""

    keep_heads: float = Field(default=1.0, gt=0, le=1)
    """Fraction of heads to keep in each attention module; with grouped-query attention, the
    fraction of key–value heads."""


def compress(context: CompressionContext, params: Params) -> None:
    """Prune the model, fine-tune it on the training rows, and write it.

    Raises:
        StageError: the network is not of a supported architecture, or fine-tuning failed.
    """
    from tandem.compression.common.pruning import prune

    config_has_heads = prune(context, params, params.keep_heads)
    context.model.save(context.folder)
    if not config_has_heads:
        io.write_json(context.folder / paths.METHOD, {"method": "pruned"})


def restore(folder: Path, auto: Any) -> Any:
    """Load the network in `folder`, taking the shapes of linear layers from their weights."""
    from torch import nn

    from tandem.compression.common import stored_layers

    def rebuild(layer: Any, parts: StoredTensors, bias: Tensor | None) -> Tensor:
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = parts[""].shape
        if bias is not None:
            layer.bias.data = bias.clone()
        return parts[""].clone()

    return stored_layers.restore(folder, auto, ("",), rebuild)
