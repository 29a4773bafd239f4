"""Find the smallest weights of a network, and store the others with a bit mask."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tandem.compression.common import stored_layers

MASK = "_mask"


def prune(network: nn.Module, share: float, scope: str, keep: Sequence[str]) -> Sequence[Tensor]:
    """Set all but the largest `share` of the weights to zero, in place; the weights so changed."""
    names = {f"{name}.weight" for name, _ in stored_layers.layers(network, keep)}
    # tied ones once; what is not trained, as sinusoids of positions, is left alone
    named = network.named_parameters()
    found = [weight for name, weight in named if name in names and weight.requires_grad]
    if scope == "network":
        least = _threshold(torch.cat([weight.detach().abs().flatten() for weight in found]), share)
        edges = [least] * len(found)
    else:
        edges = [_threshold(weight.detach().abs().flatten(), share) for weight in found]
    for weight, edge in zip(found, edges, strict=True):
        weight.data *= weight.detach().abs() > edge
    return found


def store(weight: Tensor) -> stored_layers.StoredTensors:
    """What is not zero of a matrix, (left,), and a bit for each of its places, (⌈places / 8⌉,)."""
    left = weight != 0
    return {"": weight[left], MASK: torch.from_numpy(np.packbits(left.numpy()))}


def dense(parts: stored_layers.StoredTensors, shape: Sequence[int]) -> Tensor:
    """The matrix of `shape` that `store` stored."""
    bits = np.unpackbits(parts[MASK].numpy(), count=math.prod(shape)).view(bool)
    whole = torch.zeros(shape)
    whole[torch.from_numpy(bits).view(*shape)] = parts[""]
    return whole


def _threshold(sizes: Tensor, share: float) -> float:
    """The largest of `sizes`, (weights,), that goes when the largest `share` stays."""
    gone = len(sizes) - round(share * len(sizes))
    return float(sizes.kthvalue(gone).values) if gone else -1.0


def only(left: Tensor) -> Any:
    """A hook that takes the gradient of all but the weights that are `left`."""
    return lambda gradient: gradient * left


def count_left(weight: Tensor) -> int:
    """How many weights are left."""
    return int(weight.count_nonzero())
