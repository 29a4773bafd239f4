"""Move activation outliers into the weights, which are easier to quantize.

SmoothQuant (Xiao et al. 2023, "SmoothQuant: Accurate and Efficient Post-Training Quantization for
Large Language Models") divides the inputs of a linear layer by a scale per channel, and multiplies
the layer's weights by the same scale. The division is folded into the preceding layer, so the
network computes the same function, but with different quantization ranges. A channel's scale is

    max|x| ** alpha / max|w| ** (1 - alpha)

where x are the channel's activations on training rows, and w are its weights. The preceding layer
must feed only linear layers that are rescaled, as in pre-norm architectures (Llama and similar
ones). BERT is not supported, because its norms also feed the residual connection.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tandem.core.errors import StageError
from tandem.core.rows import Row, hash_sample
from tandem.modeling.base import TextModel

# Names of modules in a block: the layer whose outputs are divided, and the linear layers that take
# these outputs as inputs.
FOLDS = (
    ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
    ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
    ("mlp.up_proj", ("mlp.down_proj",)),
)
BATCH = 16
EPSILON = 1e-5
"""Lower bound of a channel's range, which avoids a division by zero if all values of the channel
are zero."""


def smooth(model: TextModel, rows: Sequence[Row], limit: int, alpha: float) -> None:
    """Rescale `model` in place, with activation ranges measured on at most `limit` rows.

    If there are more than `limit` rows, those with the smallest id hashes are used.

    Raises:
        StageError: the network is not of a supported architecture.
    """
    folds = list(_folds(model.network))
    if not folds:
        raise StageError(f"smoothing does not support {type(model.network).__name__}")
    ranges = _ranges(model, hash_sample(rows, limit), [readers[0] for _, readers in folds])
    with torch.no_grad():
        for (before, readers), input_range in zip(folds, ranges, strict=True):
            weights = torch.stack([reader.weight.abs().amax(0) for reader in readers]).amax(0)
            scale = input_range.clamp(min=EPSILON) ** alpha / weights.clamp(min=EPSILON) ** (
                1 - alpha
            )
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
    """For each of `layers`, the largest absolute values of its input channels.

    The values of a layer have the shape (channels,).
    """
    ranges = [torch.zeros(()) for _ in layers]

    def make_hook(index: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            largest = inputs[0].flatten(0, -2).abs().amax(0)
            ranges[index] = torch.maximum(ranges[index], largest)

        return hook

    hooks = [layer.register_forward_pre_hook(make_hook(i)) for i, layer in enumerate(layers)]
    examples, collate = model.encode(rows), model.collate()
    for start in range(0, len(examples), BATCH):
        model.loss(model.network, collate(examples[start : start + BATCH]), 0.0)
    for hook in hooks:
        hook.remove()
    return ranges
