"""Layers with 8-bit integer weights, and functions that quantize weights."""

import warnings

import torch
from torch import Tensor, nn

from tandem.compression.common.stored_layers import StoredTensors

SCALE = "_scale"
# Lower bound of the largest absolute value of a token's activations, to avoid a division by zero.
EPSILON = 1e-8


def store(weight: Tensor) -> StoredTensors:
    """The stored form of a weight (rows, columns): its flattened integers and fp16 scales."""
    integers, scale = quantize(weight)
    return {"": integers.flatten(), SCALE: scale.half()}


def quantize(weight: Tensor, limit: int = 127) -> tuple[Tensor, Tensor]:
    """Quantize a (rows, columns) matrix to int8 with fp32 scales of shape (rows,).

    The integers are in the range -limit…limit. The scales can be represented exactly in fp16.
    """
    scale = (weight.abs().amax(dim=1) / limit).half().float()
    scale = scale.where(scale > 0, torch.ones_like(scale))
    return (weight / scale[:, None]).round().clamp(-limit, limit).to(torch.int8), scale


class Int8Linear(nn.Module):
    """A linear layer: an int8 weight (out, in), scales (out,) and an optional fp32 bias (out,)."""

    def __init__(
        self, weight: Tensor, scale: Tensor, bias: Tensor | None, per_token: bool = False
    ) -> None:
        super().__init__()
        self.per_token = per_token
        self.bias = bias if per_token else None
        self.out_features, self.in_features = weight.shape
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        with warnings.catch_warnings():
            # the packing kernel requires a quantized tensor, a type that PyTorch plans to remove
            # (issue 184982)
            warnings.filterwarnings("ignore", message="torch.quantize_per_tensor", append=False)
            packable = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        self.packed = torch.ops.quantized.linear_prepack(packable, None if per_token else bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to inputs (…, in); return outputs (…, out), both fp32."""
        if not self.per_token:
            return self._product(x)
        largest = torch.linalg.vector_norm(x, torch.inf, dim=-1, keepdim=True).clamp(min=EPSILON)
        # multiply and add in place, because allocating a tensor would take as long as the addition
        product = self._product(x / largest).mul_(largest)
        return product if self.bias is None else product.add_(self.bias)

    def _product(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=True)
        return product


class Int8Embedding(nn.Module):
    """An int8 embedding (tokens, width) with a scale per row; converts looked-up rows to fp32."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up token ids (…); return fp32 rows (…, width)."""
        return self.weight[ids].float() * self.scale[ids].unsqueeze(-1)
