"""Set the smallest weights to zero, wherever they stand, and store only the others.

Magnitude pruning (Han et al. 2015, "Learning both Weights and Connections for Efficient Neural
Networks"). With healing, only the weights that are left are trained on: the gradient of a zero is
masked at every step, and from a zero no gradient, no momentum and no decay lead away.

It saves size, not time: the network is restored dense. model.safetensors holds the weights that
are left, row by row, under a weight's own name, and one bit for each place under NAME_mask.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from tandem.compression import Given
from tandem.compression.common import recovery, stored_layers
from tandem.core.params import Strict
from tandem.modeling import Training

MASK = "_mask"


class Params(Strict):
    """How much is taken out, and how the rest is healed."""

    share: float = Field(gt=0, lt=1)
    """Share of the weights that stays."""
    scope: Literal["layer", "network"]
    """Among whose weights the smallest are looked for: each layer keeps its share, or all
    together do."""
    keep: list[str] = Field(default=[])
    """Linear layers and embeddings left whole, by the ends of their names."""
    healing: Training | None
    """How the weights that are left are trained on; null leaves them as they are."""


def compress(given: Given, settings: Params) -> None:
    """Prune the model, heal it on the training rows if asked to, write it.

    Raises:
        StageError: healing fails.
    """
    pruned = prune(given.model.network, settings.share, settings.scope, settings.keep)
    if settings.healing:
        for weight in pruned:
            weight.register_hook(_only(weight != 0))  # type: ignore[no-untyped-call]
        examples = recovery.examples(given, settings.healing)
        recovery.heal(given, examples, settings.healing)
    stored_layers.write(given, settings.keep, store, {"method": "magnitude"}, _left)


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, dense, built by the class `auto` of transformers."""

    def rebuild(layer: Any, parts: stored_layers.Parts, _: Tensor | None) -> Tensor:
        return dense(parts, layer.weight.shape)

    return stored_layers.restore(folder, auto, ("", MASK), rebuild)


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


def store(weight: Tensor) -> stored_layers.Parts:
    """What is not zero of a matrix, (left,), and a bit for each of its places, (⌈places / 8⌉,)."""
    left = weight != 0
    return {"": weight[left], MASK: torch.from_numpy(np.packbits(left.numpy()))}


def dense(parts: stored_layers.Parts, shape: Sequence[int]) -> Tensor:
    """The matrix of `shape` that `store` stored."""
    bits = np.unpackbits(parts[MASK].numpy(), count=math.prod(shape)).view(bool)
    whole = torch.zeros(shape)
    whole[torch.from_numpy(bits).view(*shape)] = parts[""]
    return whole


def _threshold(sizes: Tensor, share: float) -> float:
    """The largest of `sizes`, (weights,), that goes when the largest `share` stays."""
    gone = len(sizes) - round(share * len(sizes))
    return float(sizes.kthvalue(gone).values) if gone else -1.0


def _only(left: Tensor) -> Any:
    """A hook that takes the gradient of all but the weights that are `left`."""
    return lambda gradient: gradient * left


def _left(weight: Tensor) -> int:
    return int(weight.count_nonzero())
