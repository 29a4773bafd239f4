"""Remove blocks, attention heads and feed-forward units of a network, and fine-tune the rest.

Importance is measured on training rows of the task.

- Blocks: how much they change their input, 1 - cos(in, out), which is the Block Influence of
  Men et al. 2024 ("ShortGPT: Layers in Large Language Models are More Redundant Than You Expect").
- Units: the first-order estimate of the squared change in loss if a unit is removed,
  (Σ w · ∂L/∂w)² over the unit's outgoing weights, summed over batches (Molchanov et al. 2019,
  "Importance Estimation for Neural Network Pruning"). All blocks of a stack keep the same number of
  units, because a config stores a single number for the whole stack.
- Attention heads: (Σ w · ∂L/∂w)² over a head's outgoing weights, where the sum is the derivative of
  the loss with respect to a mask on the head (Michel et al. 2019, "Are Sixteen Heads Really Better
  than One?"). Heads that share keys and values are kept or removed together.

After pruning, the network is fine-tuned for a short time, as in Gromov et al. 2024 ("The
Unreasonable Ineffectiveness of the Deeper Layers"). If `distillation_weight` is greater than 0, the
original network's predictions are also targets (Sanh, Wolf & Rush 2020, "Movement Pruning",
section 6).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tandem.compression import CompressionContext
from tandem.compression.common import blocks, recovery
from tandem.compression.common.params import PruningParams
from tandem.core.errors import StageError
from tandem.modeling.base import TextModel
from tandem.modeling.batching import length_batches

MULTIPLE = 8
"""The number of kept units is a multiple of 8, the number of fp32 values in an AVX2 register."""


def prune(context: CompressionContext, params: PruningParams, keep_heads: float = 1.0) -> bool:
    """Prune the model in place, and fine-tune it.

    Args:
        context: the model and its rows.
        params: how much is removed, and how the rest is fine-tuned.
        keep_heads: the fraction of heads to keep in each attention module.

    Returns:
        Whether the model's config can express the new number of heads.

    Raises:
        StageError: the network is not of a supported architecture, or fine-tuning failed.
    """
    model, training = context.model, params.recovery
    if not list(blocks.stacks(model.network)):
        raise StageError(f"pruning does not support {type(model.network).__name__}")
    examples = recovery.encode_rows(context, training)
    teacher = copy.deepcopy(model.network) if params.distillation_weight else None

    # Each step measures importance in the network that the previous step produced.
    measured = examples[: params.rows]
    drop_blocks(model, measured, params.keep_layers, training.batch_size)
    config_has_heads = drop_heads(model, measured, keep_heads, training.batch_size)
    drop_units(model, measured, params.keep_ffn, training.batch_size)

    loss = None
    if teacher is not None:
        loss = recovery.distillation_loss(model, teacher, params.distillation_weight)
    recovery.recover(context, examples, training, loss)
    return config_has_heads


def drop_blocks(
    model: TextModel, examples: Sequence[dict[str, Any]], fraction: float, batch_size: int
) -> None:
    """In each stack, keep the `fraction` of blocks that change their input most (at least one)."""
    network: Any = model.network
    kept = {name: max(1, round(fraction * len(stack))) for name, stack in blocks.stacks(network)}
    if all(kept[name] == len(stack) for name, stack in blocks.stacks(network)):
        return
    influence = _influence(model, examples, batch_size)
    for name in kept:
        chosen = sorted(influence[name].topk(kept[name]).indices.tolist())
        blocks.keep_blocks(network, name, chosen)


@torch.inference_mode()
def _influence(
    model: TextModel, examples: Sequence[dict[str, Any]], batch_size: int
) -> dict[str, Tensor]:
    """For each stack, 1 - cos(in, out) of its blocks, summed over all tokens.

    The values of a stack have the shape (blocks,).
    """
    influence = {name: torch.zeros(len(stack)) for name, stack in blocks.stacks(model.network)}

    def make_hook(name: str, index: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
            after = output if isinstance(output, Tensor) else output[0]
            change = 1 - torch.cosine_similarity(inputs[0], after, dim=-1)
            influence[name][index] += change.sum()

        return hook

    hooks = [
        block.register_forward_hook(make_hook(name, index))
        for name, stack in blocks.stacks(model.network)
        for index, block in enumerate(stack)
    ]
    for batch in _batches(model, examples, batch_size):
        model.loss(model.network, batch, 0.0)
    for hook in hooks:
        hook.remove()
    return influence


def drop_heads(
    model: TextModel, examples: Sequence[dict[str, Any]], fraction: float, batch_size: int
) -> bool:
    """In each attention module, keep the `fraction` of heads that affect the loss most.

    At least one head of each module is kept.

    Returns:
        Whether the model's config can express the new number of heads.

    Raises:
        StageError: the attention modules are not of a supported architecture.
    """
    if fraction == 1:
        return True
    network: Any = model.network
    attentions = [
        attention
        for _, stack in blocks.stacks(network)
        for block in stack
        for attention in blocks.attentions(block)
    ]
    if not attentions:
        raise StageError(f"pruning does not support the attention of {type(network).__name__}")
    outs = [(attention.out, attention.shared * attention.width) for attention in attentions]
    scores = _importance(model, examples, outs, batch_size)
    for score, attention in zip(scores, attentions, strict=True):
        count = max(1, round(fraction * len(score)))
        _keep_heads(attention, score.topk(count).indices.sort().values)
    return _set_config_heads(network.config, attentions[0])


def _keep_heads(attention: blocks.Attention, kept: Tensor) -> None:
    """Keep only those head groups of an attention module whose indices are in `kept`."""

    def indices(size: int) -> Tensor:
        return (kept[:, None] * size + torch.arange(size)).flatten()

    query_indices = indices(attention.shared * attention.width)
    key_indices = indices(attention.width)
    blocks.prune_linear(attention.query, query_indices, out=True)
    blocks.prune_linear(attention.key, key_indices, out=True)
    blocks.prune_linear(attention.value, key_indices, out=True)
    blocks.prune_linear(attention.out, query_indices, out=False)


def _set_config_heads(config: Any, attention: blocks.Attention) -> bool:
    """Write the number of heads into `config`; return False if the config cannot express it."""
    heads = attention.groups * attention.shared
    if not hasattr(config, "head_dim") or config.hidden_size % heads:
        return False
    config.head_dim = attention.width
    config.num_attention_heads, config.num_key_value_heads = heads, attention.groups
    return True


def drop_units(
    model: TextModel, examples: Sequence[dict[str, Any]], fraction: float, batch_size: int
) -> None:
    """In each feed-forward layer, keep the `fraction` of units that affect the loss most."""
    if fraction == 1:
        return
    network: Any = model.network
    layers = [
        layer
        for _, stack in blocks.stacks(network)
        for block in stack
        if (layer := blocks.feed_forward(block))
    ]
    scores = _importance(model, examples, [(layer.out, 1) for layer in layers], batch_size)
    for score, layer in zip(scores, layers, strict=True):
        kept = max(MULTIPLE, round(fraction * len(score) / MULTIPLE) * MULTIPLE)
        chosen = score.topk(min(kept, len(score))).indices.sort().values
        for linear in layer.into:
            blocks.prune_linear(linear, chosen, out=True)
        blocks.prune_linear(layer.out, chosen, out=False)
    for name, stack in blocks.stacks(network):
        units = blocks.feed_forward(stack[0]).out.in_features  # type: ignore[union-attr]
        blocks.set_config_size(network.config, name, "ffn_dim", "intermediate_size", units)


def _importance(
    model: TextModel,
    examples: Sequence[dict[str, Any]],
    outs: Sequence[tuple[nn.Linear, int]],
    batch_size: int,
) -> list[Tensor]:
    """For each layer, (Σ w · ∂L/∂w)² of each group of inputs, summed over batches.

    `outs` contains pairs of a layer and its number of inputs per group.
    """
    weights = [layer.weight for layer, _ in outs]
    sizes = [size for _, size in outs]
    scores = [torch.zeros(layer.in_features // size) for layer, size in outs]
    for batch in _batches(model, examples, batch_size):
        gradients = torch.autograd.grad(model.loss(model.network, batch, 0.0), weights)
        for score, weight, gradient, size in zip(scores, weights, gradients, sizes, strict=True):
            score += (weight.detach() * gradient).sum(dim=0).view(-1, size).sum(dim=1) ** 2
    return scores


def _batches(
    model: TextModel, examples: Sequence[dict[str, Any]], batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """Batches of examples of similar length, as tensors."""
    collate = model.collate()
    for indices in length_batches([example["input_ids"] for example in examples], batch_size):
        yield collate([examples[index] for index in indices])
