"""Move the outliers of activations into the weights, where integers bear them better.

SmoothQuant (Xiao et al. 2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for
Large Language Models"): what goes into a linear layer is divided by a scale a channel, and the
layer's weights are multiplied by it. The division is folded into the layer before, so the network
computes the same; only what is rounded later has other ranges. A channel's scale is

    max|x| ** alpha / max|w| ** (1 - alpha)

over training rows. It takes a layer before that feeds these linear layers alone, as in networks
that normalise before each part (Llama and its kin); BERT's norms also feed the residual.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tandem.core.errors import StageError
from tandem.core.rows import Row, hash_sample
from tandem.modeling.base import TextModel

# In a block: the layer whose outputs are divided, and the linear layers that read them.
FOLDS = (
    ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
    ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
    ("mlp.up_proj", ("mlp.down_proj",)),
)
BATCH = 16
LEAST = 1e-5
"""Taken for the range of a channel that is always zero."""


def smooth(model: TextModel, rows: Sequence[Row], most: int, alpha: float) -> None:
    """Rescale `model` in place, by the first `most` of `rows`.

    Raises:
        StageError: no block of a known shape is found.
    """
    folds = list(_folds(model.network))
    if not folds:
        raise StageError(f"{type(model.network).__name__} has no block that smoothing knows")
    ranges = _ranges(model, hash_sample(rows, most), [readers[0] for _, readers in folds])
    with torch.no_grad():
        for (before, readers), found in zip(folds, ranges, strict=True):
            weights = torch.stack([reader.weight.abs().amax(0) for reader in readers]).amax(0)
            scale = found.clamp(min=LEAST) ** alpha / weights.clamp(min=LEAST) ** (1 - alpha)
            before.weight /= scale.view(-1, *[1] * (before.weight.ndim - 1))
            for reader in readers:
                reader.weight *= scale


def _folds(network: nn.Module) -> Iterator[tuple[Any, list[Any]]]:
    for block in network.modules():
        inside = dict(block.named_modules())
        for before, readers in FOLDS:
            if before in inside and all(reader in inside for reader in readers):
                yield inside[before], [inside[reader] for reader in readers]


@torch.inference_mode()
def _ranges(model: TextModel, rows: Sequence[Row], layers: Sequence[nn.Module]) -> list[Tensor]:
    """The largest value of each channel that goes into each of `layers`, (channels,)."""
    found = [torch.zeros(()) for _ in layers]

    def watch(number: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            largest = inputs[0].flatten(0, -2).abs().amax(0)
            found[number] = torch.maximum(found[number], largest)

        return hook

    hooks = [layer.register_forward_pre_hook(watch(n)) for n, layer in enumerate(layers)]
    examples, collate = model.encode(rows), model.collate()
    for start in range(0, len(examples), BATCH):
        model.loss(model.network, collate(examples[start : start + BATCH]), 0.0)
    for hook in hooks:
        hook.remove()
    return found
