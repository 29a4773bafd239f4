"""Take out what a network needs least, blocks, attention heads and units, then heal it.

Structured pruning: what is left is a plain smaller network, faster with any kernel. What goes is
judged in `_pruning`.

`from_pretrained` reads the folder, but for one case: the configs of BERT and Marian cannot say
that heads are fewer than their width asks for. Then tandem.json stands there, and `restore` takes
the shapes from the weights.
"""

from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from tandem.compression import Given, _layers
from tandem.compression._pruning import Pruning, prune
from tandem.core import io, paths


class Params(Pruning):
    """How much is taken out, and how the rest is healed."""

    heads: float = Field(default=1.0, gt=0, le=1)
    """Share of each attention's heads that stays; of those of keys and values, if queries share
    them."""


def compress(given: Given, settings: Params) -> None:
    """Prune the model, heal it on the training rows, write it.

    Raises:
        StageError: no layer of a known shape is found, or healing fails.
    """
    plain = prune(given, settings, settings.heads)
    given.model.save(given.folder)
    if not plain:
        io.write_json(given.folder / paths.METHOD, {"method": "pruned"})


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, its linear layers as wide as their weights are."""

    def rebuild(layer: Any, parts: _layers.Parts, bias: Tensor | None) -> Tensor:
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = parts[""].shape
        if bias is not None:
            layer.bias.data = bias.clone()
        return parts[""].clone()

    return _layers.restore(folder, auto, ("",), rebuild)
