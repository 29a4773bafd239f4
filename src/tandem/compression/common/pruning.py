"""Take blocks, attention heads and feed-forward units out of a network, and heal what is left.

All judgements are made on training rows of the task.

- Blocks, by how little they turn what passes through them: 1 - cos(in, out), Block Influence of
  Men et al. 2024 ("ShortGPT: Layers in Large Language Models are More Redundant Than You Expect").
- Units, by the first-order change of the loss without them, (Σ w · ∂L/∂w)² over a unit's outgoing
  weights, summed over batches (Molchanov et al. 2019, "Importance Estimation for Neural Network
  Pruning"). Each block keeps as many, for a config holds one number for all of a stack.
- Attention heads, by the same sum over a head's outgoing weights, which is the loss's derivative
  by a mask on the head (Michel et al. 2019, "Are Sixteen Heads Really Better than One?"). Heads
  that share keys and values stay or go together.

A short fit then heals, as in Gromov et al. 2024 ("The Unreasonable Ineffectiveness of the Deeper
Layers"); by the whole network's answers too, where `soft` says so (Sanh, Wolf & Rush 2020,
"Movement Pruning", section 6).
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

MULTIPLE = 8
"""Units are kept in this number's multiples, the width of a vector register in fp32 (AVX2)."""


def prune(given: CompressionContext, settings: PruningParams, heads: float = 1.0) -> bool:
    """Prune the model in place, down to the share `heads` of its heads, and heal it.

    Returns:
        Whether the model's config can say how many heads there are now.

    Raises:
        StageError: no layer of a known shape is found, or healing fails.
    """
    model, healing = given.model, settings.recovery
    examples = recovery.examples(given, healing)
    judged = examples[: settings.rows]
    if not list(blocks.stacks(model.network)):
        raise StageError(f"{type(model.network).__name__} has no block that pruning knows")
    whole = copy.deepcopy(model.network) if settings.distillation_weight else None
    drop_blocks(model, judged, settings.keep_layers, healing.batch_size)
    plain = drop_heads(model, judged, heads, healing.batch_size)
    drop_units(model, judged, settings.keep_ffn, healing.batch_size)
    loss = (
        recovery.distillation_loss(model, whole, settings.distillation_weight)
        if whole is not None
        else None
    )
    recovery.recover(given, examples, healing, loss)
    return plain


def drop_blocks(
    model: TextModel, examples: Sequence[dict[str, Any]], share: float, batch_size: int
) -> None:
    """Keep the `share` of each stack's blocks that turn their input most, one at the least."""
    network: Any = model.network
    kept = {name: max(1, round(share * len(stack))) for name, stack in blocks.stacks(network)}
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
    """1 - cos(in, out) of each block of each stack, (blocks,), summed over tokens."""
    found = {name: torch.zeros(len(stack)) for name, stack in blocks.stacks(model.network)}

    def watch(name: str, number: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
            after = output if isinstance(output, Tensor) else output[0]
            found[name][number] += (1 - torch.cosine_similarity(inputs[0], after, dim=-1)).sum()

        return hook

    hooks = [
        block.register_forward_hook(watch(name, number))
        for name, stack in blocks.stacks(model.network)
        for number, block in enumerate(stack)
    ]
    for batch in _batches(model, examples, batch_size):
        model.loss(model.network, batch, 0.0)
    for hook in hooks:
        hook.remove()
    return found


def drop_heads(
    model: TextModel, examples: Sequence[dict[str, Any]], share: float, batch_size: int
) -> bool:
    """Keep the `share` of each attention's heads that the loss needs most, one at the least.

    Returns:
        Whether the model's config can say how many there are now.

    Raises:
        StageError: no attention of a known shape is found.
    """
    if share == 1:
        return True
    network: Any = model.network
    found = [
        attention
        for _, stack in blocks.stacks(network)
        for block in stack
        for attention in blocks.attentions(block)
    ]
    if not found:
        raise StageError(f"{type(network).__name__} has no attention that pruning knows")
    outs = [(attention.out, attention.shared * attention.width) for attention in found]
    scores = _importance(model, examples, outs, batch_size)
    for score, attention in zip(scores, found, strict=True):
        _keep_heads(attention, score.topk(max(1, round(share * len(score)))).indices.sort().values)
    return _tell_heads(network.config, found[0])


def _keep_heads(attention: blocks.Attention, kept: Tensor) -> None:
    """Leave of an attention only the groups of heads whose numbers are `kept`, (groups,)."""

    def places(size: int) -> Tensor:
        return (kept[:, None] * size + torch.arange(size)).flatten()

    queries, one = places(attention.shared * attention.width), places(attention.width)
    blocks.prune_linear(attention.query, queries, out=True)
    blocks.prune_linear(attention.key, one, out=True)
    blocks.prune_linear(attention.value, one, out=True)
    blocks.prune_linear(attention.out, queries, out=False)


def _tell_heads(config: Any, attention: blocks.Attention) -> bool:
    """Write the heads into `config`, if it has a word for a head's width and allows the number."""
    heads = attention.groups * attention.shared
    if not hasattr(config, "head_dim") or config.hidden_size % heads:
        return False
    config.head_dim = attention.width
    config.num_attention_heads, config.num_key_value_heads = heads, attention.groups
    return True


def drop_units(
    model: TextModel, examples: Sequence[dict[str, Any]], share: float, batch_size: int
) -> None:
    """Keep the `share` of each feed-forward layer's units that the loss needs most."""
    if share == 1:
        return
    network: Any = model.network
    layers = [
        found
        for _, stack in blocks.stacks(network)
        for block in stack
        if (found := blocks.feed_forward(block))
    ]
    scores = _importance(model, examples, [(layer.out, 1) for layer in layers], batch_size)
    for score, layer in zip(scores, layers, strict=True):
        kept = max(MULTIPLE, round(share * len(score) / MULTIPLE) * MULTIPLE)
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
    """(Σ w · ∂L/∂w)² for so many inputs at a time of each layer, summed over batches."""
    weights = [layer.weight for layer, _ in outs]
    sizes = [size for _, size in outs]
    scores = [torch.zeros(layer.in_features // size) for layer, size in outs]
    for batch in _batches(model, examples, batch_size):
        changes = torch.autograd.grad(model.loss(model.network, batch, 0.0), weights)
        for score, weight, change, size in zip(scores, weights, changes, sizes, strict=True):
            score += (weight.detach() * change).sum(dim=0).view(-1, size).sum(dim=1) ** 2
    return scores


def _batches(
    model: TextModel, examples: Sequence[dict[str, Any]], batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """`examples` by length, as tensors."""
    collate = model.collate()
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    for start in range(0, len(ordered), batch_size):
        yield collate(ordered[start : start + batch_size])
