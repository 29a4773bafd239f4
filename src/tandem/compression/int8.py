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

import warnings
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from tandem.compression import Given, _layers
from tandem.compression._pruning import Pruning, prune
from tandem.compression._smoothing import smooth
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.params import Strict

SCALE = "_scale"
LEAST = 1e-8  # a token of zeros stays one


class Smoothing(Strict):
    """How outliers of activations are moved into the weights before; see `_smoothing`."""

    alpha: float = Field(ge=0, le=1)
    """How much of the range is moved: 0 leaves it in the activations, 1 moves all."""
    rows: int = Field(ge=1)
    """Training rows by which ranges are judged."""


class Params(Strict):
    """What stays as it is, and what is done to lose little."""

    pruned: Pruning | None = None
    """What is taken out of the network before, for speed that integers alone do not give."""

    per_token: bool
    """Give each token's activations a range of their own: closer to fp32, a little slower."""
    keep: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""
    smoothing: Smoothing | None = None
    """Null smoothes nothing."""
    beams: int | None = Field(default=None, ge=1)
    """Beams that the smaller model searches with, a part of what its answers cost; 1 is greedy,
    null keeps the model's own."""


def compress(given: Given, settings: Params) -> None:
    """Write the model with integer weights; needs rows for pruning and smoothing alone.

    Raises:
        StageError: `beams` is set for a model that does not generate, or the network has no block
            that smoothing or pruning knows.
    """
    if settings.beams:
        _search(given.model.network, settings.beams)
    if settings.pruned:
        prune(given, settings.pruned)
    if settings.smoothing:
        smooth(given.model, given.rows, settings.smoothing.rows, settings.smoothing.alpha)
    marker = {"method": "int8", "per_token": settings.per_token}
    _layers.write(given, settings.keep, _store, marker, rest=torch.float16)


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, built by the class `auto` of transformers, with integer layers."""
    torch.backends.quantized.engine = "fbgemm"  # the default would choose by machine
    per_token: bool = io.read_json(folder / paths.METHOD)["per_token"]

    def rebuild(layer: Any, parts: _layers.Parts, bias: Tensor | None) -> nn.Module | Tensor:
        weight, scale = parts[""].view(layer.weight.shape), parts[SCALE].float()
        if isinstance(layer, nn.Linear):
            return Int8Linear(weight, scale, None if bias is None else bias.float(), per_token)
        if type(layer) is nn.Embedding:
            return Int8Embedding(weight, scale)
        # a kind of its own, as of positions: small, and its forward is not ours to know
        return weight.float() * scale[:, None]

    return _layers.restore(folder, auto, ("", SCALE), rebuild)


def _search(network: Any, beams: int) -> None:
    """Have `network` generate with so many beams."""
    if not network.can_generate():
        raise StageError(f"int8.beams: {type(network).__name__} does not generate; leave it null")
    network.generation_config.num_beams = beams
    if beams == 1:  # what rules beams alone may not be said of none
        network.generation_config.length_penalty = None


def _store(weight: Tensor) -> _layers.Parts:
    integers, scale = quantise(weight)
    return {"": integers.flatten(), SCALE: scale.half()}


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix (rows, columns) as int8 of its shape and fp32 scales (rows,) that fit fp16."""
    scale = (weight.abs().amax(dim=1) / 127).half().float()
    scale = scale.where(scale > 0, torch.ones_like(scale))
    return (weight / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


class Int8Linear(nn.Module):
    """A linear layer of integers: int8 weight (out, in), scale (out,), fp32 bias (out,) or None."""

    def __init__(
        self, weight: Tensor, scale: Tensor, bias: Tensor | None, per_token: bool = False
    ) -> None:
        super().__init__()
        self.per_token = per_token
        self.bias = bias if per_token else None
        self.out_features, self.in_features = weight.shape
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        with warnings.catch_warnings():
            # the packing kernel takes no other tensor; issue 184982 of pytorch will replace it
            warnings.filterwarnings("ignore", message="torch.quantize_per_tensor", append=False)
            packable = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        self.packed = torch.ops.quantized.linear_prepack(packable, None if per_token else bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out), both fp32."""
        if not self.per_token:
            return self._product(x)
        largest = torch.linalg.vector_norm(x, torch.inf, dim=-1, keepdim=True).clamp(min=LEAST)
        found = self._product(x / largest).mul_(largest)  # fresh memory costs as much as the sum
        return found if self.bias is None else found.add_(self.bias)

    def _product(self, x: Tensor) -> Tensor:
        found: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=True)
        return found


class Int8Embedding(nn.Module):
    """An embedding of int8 rows (tokens, width) with a scale each; only rows looked up are fp32."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (…) to fp32 rows (…, width)."""
        return self.weight[ids].float() * self.scale[ids].unsqueeze(-1)
