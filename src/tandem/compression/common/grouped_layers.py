"""Layers whose weights are 8- or 4-bit integers in groups; the weights of a group share a scale."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def quantize(weight: Tensor, bits: int, group_size: int) -> tuple[Tensor, Tensor]:
    """Quantize a (rows, columns) matrix to int8 with fp16 scales of shape (rows, groups)."""
    largest = 2 ** (bits - 1) - 1
    rows, columns = weight.shape
    grouped = functional.pad(weight, (0, -columns % group_size)).view(rows, -1, group_size)
    scale = (grouped.abs().amax(dim=2) / largest).half()
    scale = scale.where(scale > 0, torch.ones_like(scale))
    # divide by the stored scale, which is rounded to fp16, so the result may be out of range
    integers = (grouped / scale.float()[:, :, None]).round().clamp(-largest, largest)
    return integers.view(rows, -1)[:, :columns].to(torch.int8), scale


def pack(integers: Tensor) -> Tensor:
    """Pack a (rows, columns) matrix of 4-bit integers into bytes of shape (rows, ⌈columns / 2⌉).

    The integers are in the range -8…7. The four low bits of a byte hold the first of two integers.
    """
    shifted = functional.pad(integers, (0, integers.shape[1] % 2)).add(8).to(torch.uint8)
    return shifted[:, 0::2] | (shifted[:, 1::2] << 4)


def unpack(packed: Tensor, columns: int) -> Tensor:
    """The inverse of `pack`: uint8 (…, ⌈columns / 2⌉) to int8 (…, columns)."""
    pairs = torch.stack([packed & 15, packed >> 4], dim=-1)
    return pairs.flatten(-2)[..., :columns].to(torch.int8) - 8


class Grouped(nn.Module):
    """A matrix (rows, columns) of 8- or 4-bit integers, with scales (rows, groups).

    4-bit integers are packed two per byte.
    """

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
        """The matrix in fp32, of shape (rows, columns)."""
        return self.rows(slice(None))

    def rows(self, rows: Tensor | slice) -> Tensor:
        """The selected `rows` of the matrix as fp32, (…, columns)."""
        integers = self.integers[rows]
        if self.bits == 4:
            integers = unpack(integers, self.columns)
        scale = self.scale[rows].float().repeat_interleave(self.group_size, dim=-1)
        return integers * scale[..., : self.columns]


class GroupedLinear(nn.Module):
    """A linear layer with a `Grouped` weight (out, in) and an optional fp32 bias (out,)."""

    def __init__(self, weight: Grouped, bias: Tensor | None) -> None:
        super().__init__()
        self.matrix, self.bias = weight, bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to inputs (…, in); return outputs (…, out), both fp32."""
        return functional.linear(x, self.matrix.all(), self.bias)


class GroupedEmbedding(nn.Module):
    """A `Grouped` embedding (tokens, width); only looked-up rows are converted to fp32."""

    def __init__(self, weight: Grouped) -> None:
        super().__init__()
        self.matrix = weight

    def forward(self, ids: Tensor) -> Tensor:
        """Look up token ids (…); return fp32 rows (…, width)."""
        return self.matrix.rows(ids)
