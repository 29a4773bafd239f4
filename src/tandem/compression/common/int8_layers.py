"""Layers of 8-bit integers: how weights are rounded to them, and what computes with them."""

import warnings

import torch
from torch import Tensor, nn

from tandem.compression.common.stored_layers import StoredTensors

SCALE = "_scale"
LEAST = 1e-8  # a token of zeros stays one


def store(weight: Tensor) -> StoredTensors:
    """What a weight (rows, columns) is in a file: its integers, flat, and fp16 scales."""
    integers, scale = quantise(weight)
    return {"": integers.flatten(), SCALE: scale.half()}


def quantise(weight: Tensor, most: int = 127) -> tuple[Tensor, Tensor]:
    """A matrix (rows, columns) as int8 of its shape and fp32 scales (rows,) that fit fp16.

    No integer is further from 0 than `most`.
    """
    scale = (weight.abs().amax(dim=1) / most).half().float()
    scale = scale.where(scale > 0, torch.ones_like(scale))
    return (weight / scale[:, None]).round().clamp(-most, most).to(torch.int8), scale


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
