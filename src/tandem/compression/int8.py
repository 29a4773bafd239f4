"""Weights as 8-bit integers: four times smaller, and linear layers computed in integers.

Each row of a weight matrix (an output channel of a linear layer, a token of an embedding) is
stored as w ≈ scale · q with q in -127…127 and scale = max|w| / 127, symmetric and per channel as
in Jacob et al. 2018 ("Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"). Activations are quantised as they come (dynamic
quantisation), to 7 bits: two products of 8 by 8 bits overflow the 16-bit sums of CPUs without
VNNI, two of 8 by 7 do not, so all instruction sets give the same bits.

A batch has one range of activations. Decoders such as Llama have tokens whose values are hundreds
of times the others' (Sun et al. 2024, "Massive Activations in Large Language Models"), which one
range wipes out; `per_token` first divides each token's values by their largest.

model.safetensors holds int8 under a weight's own name and fp16 under NAME_scale; a tied weight
lies there once. Biases and what is neither linear nor embedding are fp16 too; all are fp32 again
when they are read. The integers lie there flat, so that `from_pretrained`, which would take them
for weights, refuses their shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.compression.common.params import PruningParams, SmoothingParams
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tandem.compression.common.stored_layers import StoredTensors

LABEL = "8-bit weights and activations"


class Params(StrictModel):
    """What stays as it is, and what is done to lose little."""

    pruned: PruningParams | None = None
    """What is taken out of the network before, for speed that integers alone do not give."""

    per_token: bool = False
    """Give each token's activations a range of their own: closer to fp32, a little slower."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""
    smoothing: SmoothingParams | None = None
    """Null smoothes nothing."""
    num_beams: int | None = Field(default=None, ge=1)
    """Beams that the smaller model searches with, a part of what its answers cost; 1 is greedy,
    null keeps the model's own."""


def compress(given: CompressionContext, settings: Params) -> None:
    """Write the model with integer weights; needs rows for pruning and smoothing alone.

    Raises:
        StageError: `beams` is set for a model that does not generate, or the network has no block
            that smoothing or pruning knows.
    """
    import torch

    from tandem.compression.common import int8_layers, stored_layers
    from tandem.compression.common.pruning import prune
    from tandem.compression.common.smoothquant import smooth

    if settings.num_beams:
        _search(given.model.network, settings.num_beams)
    if settings.pruned:
        prune(given, settings.pruned)
    if settings.smoothing:
        smooth(given.model, given.rows, settings.smoothing.rows, settings.smoothing.alpha)
    marker = {"method": "int8", "per_token": settings.per_token}
    stored_layers.write_model(
        given, settings.skip_modules, int8_layers.store, marker, rest=torch.float16
    )


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, built by the class `auto` of transformers, with integer layers."""
    import torch
    from torch import nn

    from tandem.compression.common import int8_layers, stored_layers

    torch.backends.quantized.engine = "fbgemm"  # the default would choose by machine
    per_token: bool = io.read_json(folder / paths.METHOD)["per_token"]

    def rebuild(layer: Any, parts: StoredTensors, bias: Tensor | None) -> nn.Module | Tensor:
        weight, scale = parts[""].view(layer.weight.shape), parts[int8_layers.SCALE].float()
        if isinstance(layer, nn.Linear):
            offset = None if bias is None else bias.float()
            return int8_layers.Int8Linear(weight, scale, offset, per_token)
        if type(layer) is nn.Embedding:
            return int8_layers.Int8Embedding(weight, scale)
        # a kind of its own, as of positions: small, and its forward is not ours to know
        return weight.float() * scale[:, None]

    return stored_layers.restore(folder, auto, ("", int8_layers.SCALE), rebuild)


def _search(network: Any, beams: int) -> None:
    """Have `network` generate with so many beams."""
    if not network.can_generate():
        raise StageError(
            f"int8.num_beams: {type(network).__name__} does not generate; leave it null"
        )
    network.generation_config.num_beams = beams
    if beams == 1:  # what rules beams alone may not be said of none
        network.generation_config.length_penalty = None
