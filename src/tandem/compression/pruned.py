"""Take out what a network needs least, blocks, attention heads and units, then heal it.

Structured pruning: what is left is a plain smaller network, faster with any kernel. What goes is
judged in `_pruning`.

`from_pretrained` reads the folder, but for one case: the configs of BERT and Marian cannot say
that heads are fewer than their width asks for. Then tandem.json stands there, and `restore` takes
the shapes from the weights.
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
    """How much is taken out, and how the rest is healed."""

    keep_heads: float = Field(default=1.0, gt=0, le=1)
    """Share of each attention's heads that stays; of those of keys and values, if queries share
    them."""


def compress(given: CompressionContext, settings: Params) -> None:
    """Prune the model, heal it on the training rows, write it.

    Raises:
        StageError: no layer of a known shape is found, or healing fails.
    """
    from tandem.compression.common.pruning import prune

    plain = prune(given, settings, settings.keep_heads)
    given.model.save(given.folder)
    if not plain:
        io.write_json(given.folder / paths.METHOD, {"method": "pruned"})


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, its linear layers as wide as their weights are."""
    from torch import nn

    from tandem.compression.common import stored_layers

    def rebuild(layer: Any, parts: StoredTensors, bias: Tensor | None) -> Tensor:
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = parts[""].shape
        if bias is not None:
            layer.bias.data = bias.clone()
        return parts[""].clone()

    return stored_layers.restore(folder, auto, ("",), rebuild)
