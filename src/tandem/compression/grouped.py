"""Weights alone as 8- or 4-bit integers in groups; what is computed stays fp32.

Each row of a weight matrix is cut into groups of `group_size` neighbours. A group is stored as
w ≈ scale · q, rounded to nearest, with q in -127…127 or -7…7 and scale = max|w| / 127 or / 7: the
smaller the group, the less one large weight costs its neighbours (Dettmers & Zettlemoyer 2023,
"The case for 4-bit precision: k-bit Inference Scaling Laws"; round-to-nearest in groups is also
the baseline of Frantar et al. 2023, "GPTQ"). No rows are needed.

A layer's matrix is made again each time it is used, in fp32, so activations lose nothing, and
memory holds the integers and one layer's floats. It saves size, not time: `int8` is the faster.

model.safetensors holds the integers under a weight's own name, two to a byte if they have four
bits, and fp16 scales under NAME_scale.
"""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tandem.compression import Given
from tandem.compression.common import stored_layers
from tandem.core import io, paths
from tandem.core.params import Strict

SCALE = "_scale"


class Params(Strict):
    """How finely weights are stored, and which stay as they are."""

    bits: Literal[8, 4]
    group_size: int = Field(ge=2)
    """Weights that share a scale: neighbours in a row; a scale has 16 bits."""
    keep: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""


def compress(given: Given, settings: Params) -> None:
    """Write the model with grouped integer weights; needs no rows."""

    def store(weight: Tensor) -> stored_layers.Parts:
        integers, scale = quantise(weight, settings.bits, settings.group_size)
        packed = pack(integers) if settings.bits == 4 else integers
        return {"": packed.flatten(), SCALE: scale}

    def count(weight: Tensor) -> int:
        return weight.numel() + len(weight) * -(-weight.shape[1] // settings.group_size)

    marker = {"method": "weights", "bits": settings.bits, "group_size": settings.group_size}
    stored_layers.write(given, settings.keep, store, marker, count)


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, built by the class `auto` of transformers, with grouped layers."""
    marker = io.read_json(folder / paths.METHOD)
    bits, group_size = marker["bits"], marker["group_size"]

    def rebuild(layer: Any, parts: stored_layers.Parts, bias: Tensor | None) -> nn.Module | Tensor:
        rows, columns = layer.weight.shape
        weight = Grouped(parts[""].view(rows, -1), parts[SCALE], columns, bits, group_size)
        if isinstance(layer, nn.Linear):
            return GroupedLinear(weight, bias)
        if type(layer) is nn.Embedding:
            return GroupedEmbedding(weight)
        return weight.all()

    return stored_layers.restore(folder, auto, ("", SCALE), rebuild)


def quantise(weight: Tensor, bits: int, group_size: int) -> tuple[Tensor, Tensor]:
    """A matrix (rows, columns) as int8 of its shape, and fp16 scales (rows, groups)."""
    largest = 2 ** (bits - 1) - 1
    rows, columns = weight.shape
    grouped = functional.pad(weight, (0, -columns % group_size)).view(rows, -1, group_size)
    scale = (grouped.abs().amax(dim=2) / largest).half()
    scale = scale.where(scale > 0, torch.ones_like(scale))
    # against the scale as it is stored; its own rounding may lead out of the range
    integers = (grouped / scale.float()[:, :, None]).round().clamp(-largest, largest)
    return integers.view(rows, -1)[:, :columns].to(torch.int8), scale


def pack(integers: Tensor) -> Tensor:
    """Rows of -8…7, (rows, columns), as uint8 (rows, ⌈columns / 2⌉): the first in the low bits."""
    shifted = functional.pad(integers, (0, integers.shape[1] % 2)).add(8).to(torch.uint8)
    return shifted[:, 0::2] | (shifted[:, 1::2] << 4)


def unpack(packed: Tensor, columns: int) -> Tensor:
    """What `pack` packed: uint8 (…, ⌈columns / 2⌉) to int8 (…, columns)."""
    pairs = torch.stack([packed & 15, packed >> 4], dim=-1)
    return pairs.flatten(-2)[..., :columns].to(torch.int8) - 8


class Grouped(nn.Module):
    """A matrix of integers, (rows, columns) or two to a byte, with scales (rows, groups)."""

    integers: Tensor
    scale: Tensor

    def __init__(
        self, integers: Tensor, scale: Tensor, columns: int, bits: int, group_size: int
    ) -> None:
        super().__init__()
        self.register_buffer("integers", integers, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.columns, self.bits, self.group_size = columns, bits, group_size

    def all(self) -> Tensor:
        """The matrix as fp32, (rows, columns)."""
        return self.rows(slice(None))

    def rows(self, rows: Tensor | slice) -> Tensor:
        """The rows asked for as fp32, (…, columns)."""
        integers = self.integers[rows]
        if self.bits == 4:
            integers = unpack(integers, self.columns)
        scale = self.scale[rows].float().repeat_interleave(self.group_size, dim=-1)
        return integers * scale[..., : self.columns]


class GroupedLinear(nn.Module):
    """A linear layer whose weight (out, in) is made when it is used; fp32 bias (out,) or None."""

    def __init__(self, weight: Grouped, bias: Tensor | None) -> None:
        super().__init__()
        self.matrix, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out), both fp32."""
        return functional.linear(x, self.matrix.all(), self.bias)


class GroupedEmbedding(nn.Module):
    """An embedding (tokens, width); only rows looked up are made."""

    def __init__(self, weight: Grouped) -> None:
        super().__init__()
        self.matrix = weight

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (…) to fp32 rows (…, width)."""
        return self.matrix.rows(ids)
