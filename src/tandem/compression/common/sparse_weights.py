"""Prune the smallest weights of a network, and store the remaining weights with a bit mask."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tandem.compression.common import stored_layers

MASK = "_mask"


def prune(network: nn.Module, fraction: float, scope: str, skip: Sequence[str]) -> Sequence[Tensor]:
    """Set all but the largest `fraction` of the weights to zero, in place.

    Args:
        network: the network.
        fraction: the fraction of weights to keep.
        scope: `network` applies the fraction to all weights together; `layer` applies it to each
            layer separately.
        skip: name suffixes of layers that are not pruned.

    Returns:
        The pruned weight tensors, in which the removed weights are zero.
    """
    names = {f"{name}.weight" for name, _ in stored_layers.layers(network, skip)}
    # `named_parameters` lists tied weights once. Untrained weights, such as sinusoidal position
    # embeddings, are not pruned.
    parameters = network.named_parameters()
    weights = [weight for name, weight in parameters if name in names and weight.requires_grad]
    magnitudes = [weight.detach().abs().flatten() for weight in weights]
    if scope == "network":
        thresholds = [_threshold(torch.cat(magnitudes), fraction)] * len(weights)
    else:
        thresholds = [_threshold(values, fraction) for values in magnitudes]
    for weight, threshold in zip(weights, thresholds, strict=True):
        weight.data *= weight.detach().abs() > threshold
    return weights


def store(weight: Tensor) -> stored_layers.StoredTensors:
    """The nonzero weights and a bit mask of their positions.

    The shapes are (nonzero,) and (⌈weights / 8⌉,).
    """
    nonzero = weight != 0
    return {"": weight[nonzero], MASK: torch.from_numpy(np.packbits(nonzero.numpy()))}


def dense(parts: stored_layers.StoredTensors, shape: Sequence[int]) -> Tensor:
    """The inverse of `store`: the dense matrix, with the given `shape`."""
    bits = np.unpackbits(parts[MASK].numpy(), count=math.prod(shape)).view(bool)
    matrix = torch.zeros(shape)
    matrix[torch.from_numpy(bits).view(*shape)] = parts[""]
    return matrix


def _threshold(magnitudes: Tensor, fraction: float) -> float:
    """The largest magnitude that is pruned if a fraction of the weights is kept.

    `magnitudes` has the shape (weights,).
    """
    pruned = len(magnitudes) - round(fraction * len(magnitudes))
    return float(magnitudes.kthvalue(pruned).values) if pruned else -1.0


def gradient_mask(nonzero: Tensor) -> Any:
    """A gradient hook that sets the gradient of pruned weights to zero."""
    return lambda gradient: gradient * nonzero


def count_nonzero(weight: Tensor) -> int:
    """The number of weights that are not zero."""
    return int(weight.count_nonzero())
