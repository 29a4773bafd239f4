"""Take out what a network needs least, whole blocks and feed-forward units, then heal it.

Structured pruning: what is left is a plain smaller network, read by `from_pretrained`, and faster
with any kernel. Both judgements are made on training rows of the task.

- Blocks, by how little they turn what passes through them: 1 - cos(in, out), Block Influence of
  Men et al. 2024 ("ShortGPT: Layers in Large Language Models are More Redundant Than You Expect").
- Units, by the first-order change of the loss without them, (Σ w · ∂L/∂w)² over a unit's outgoing
  weights, summed over batches (Molchanov et al. 2019, "Importance Estimation for Neural Network
  Pruning"). Each block keeps as many, for a config holds one number for all of a stack.

A short fit then heals, as in Gromov et al. 2024 ("The Unreasonable Ineffectiveness of the Deeper
Layers").
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from tandem.compression import Given
from tandem.core import records
from tandem.core.errors import StageError
from tandem.core.params import Strict
from tandem.modeling import TextModel, Training, fit

# A block's feed-forward layer: the linear layers into its units, and the one out of them.
SHAPES = (
    (("intermediate.dense",), "output.dense"),  # BERT and its kin
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),  # Llama and its kin
    (("fc1",), "fc2"),  # Marian, BART
)
MULTIPLE = 8
"""Units are kept in this number's multiples, the width of a vector register in fp32 (AVX2)."""


class Params(Strict):
    """How much is taken out, and how the rest is healed."""

    units: float = Field(gt=0, le=1)
    """Share of each feed-forward layer's units that stays."""
    blocks: float = Field(gt=0, le=1)
    """Share of each stack's blocks that stays."""
    rows: int = Field(ge=1)
    """Training rows by which units and blocks are judged."""
    healing: Training


def compress(given: Given, settings: Params) -> None:
    """Prune the model, heal it on the training rows, write it.

    Raises:
        StageError: no feed-forward layer of a known shape is found, or healing fails.
    """
    model, healing = given.model, settings.healing
    model.limit(healing.max_length)
    examples = model.encode(records.first(given.rows, healing.max_rows))
    judged = examples[: settings.rows]
    if not list(stacks(model.network)):
        raise StageError(f"{type(model.network).__name__} has no block that `pruned` knows")
    drop_blocks(model, judged, settings.blocks, healing.batch_size)
    drop_units(model, judged, settings.units, healing.batch_size)
    fit(
        model.network,
        model.loss,
        examples,
        model.encode(records.first(given.validation, healing.max_validation_rows)),
        model.collate(),
        healing,
        given.runtime,
    )
    model.save(given.folder)


class FeedForward(NamedTuple):
    """The linear layers (units, width) into a block's units, and the one (width, units) out."""

    into: list[nn.Linear]
    out: nn.Linear


def feed_forward(block: nn.Module) -> FeedForward | None:
    """The feed-forward layer of `block`, if it has one of a known shape."""
    modules = dict(block.named_modules())
    for into, out in SHAPES:
        found: list[Any] = [modules.get(name) for name in (*into, out)]
        if all(isinstance(module, nn.Linear) for module in found):
            return FeedForward(found[:-1], found[-1])
    return None


def stacks(network: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    """The lists of blocks with a feed-forward layer each: their names and themselves."""
    for name, module in network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) and all(map(feed_forward, module)):
            yield name, module


def drop_blocks(
    model: TextModel, examples: Sequence[dict[str, Any]], share: float, batch_size: int
) -> None:
    """Keep the `share` of each stack's blocks that turn their input most, one at the least."""
    network: Any = model.network
    kept = {name: max(1, round(share * len(stack))) for name, stack in stacks(network)}
    if all(kept[name] == len(stack) for name, stack in stacks(network)):
        return
    influence = _influence(model, examples, batch_size)
    for name, stack in list(stacks(network)):
        chosen = sorted(influence[name].topk(kept[name]).indices.tolist())
        network.set_submodule(name, nn.ModuleList(stack[number] for number in chosen))
        for number, block in enumerate(network.get_submodule(name)):
            for module in block.modules():
                if hasattr(module, "layer_idx"):  # where a key–value cache keeps its states
                    module.layer_idx = number
        _tell(network.config, name, "layers", "num_hidden_layers", kept[name])


@torch.inference_mode()
def _influence(
    model: TextModel, examples: Sequence[dict[str, Any]], batch_size: int
) -> dict[str, Tensor]:
    """1 - cos(in, out) of each block of each stack, (blocks,), summed over tokens."""
    found = {name: torch.zeros(len(stack)) for name, stack in stacks(model.network)}

    def watch(name: str, number: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
            after = output if isinstance(output, Tensor) else output[0]
            found[name][number] += (1 - torch.cosine_similarity(inputs[0], after, dim=-1)).sum()

        return hook

    hooks = [
        block.register_forward_hook(watch(name, number))
        for name, stack in stacks(model.network)
        for number, block in enumerate(stack)
    ]
    for batch in _batches(model, examples, batch_size):
        model.loss(model.network, batch, 0.0)
    for hook in hooks:
        hook.remove()
    return found


def drop_units(
    model: TextModel, examples: Sequence[dict[str, Any]], share: float, batch_size: int
) -> None:
    """Keep the `share` of each feed-forward layer's units that the loss needs most."""
    if share == 1:
        return
    network: Any = model.network
    layers = [found for _, s in stacks(network) for b in s if (found := feed_forward(b))]
    weights = [layer.out.weight for layer in layers]
    scores = [torch.zeros(layer.out.in_features) for layer in layers]
    for batch in _batches(model, examples, batch_size):
        changes = torch.autograd.grad(model.loss(network, batch, 0.0), weights)
        for score, weight, change in zip(scores, weights, changes, strict=True):
            score += (weight.detach() * change).sum(dim=0) ** 2
    for score, layer in zip(scores, layers, strict=True):
        kept = max(MULTIPLE, round(share * len(score) / MULTIPLE) * MULTIPLE)
        _slice(layer, score.topk(min(kept, len(score))).indices.sort().values)
    for name, stack in stacks(network):
        units = feed_forward(stack[0]).out.in_features  # type: ignore[union-attr]
        _tell(network.config, name, "ffn_dim", "intermediate_size", units)


def _slice(layer: FeedForward, kept: Tensor) -> None:
    """Leave only the units whose numbers are `kept`, (units,)."""
    for linear in layer.into:
        linear.weight = nn.Parameter(linear.weight.detach()[kept].clone())
        if linear.bias is not None:
            linear.bias = nn.Parameter(linear.bias.detach()[kept].clone())
        linear.out_features = len(kept)
    layer.out.weight = nn.Parameter(layer.out.weight.detach()[:, kept].clone())
    layer.out.in_features = len(kept)


def _tell(config: Any, stack: str, ending: str, single: str, value: int) -> None:
    """Write a stack's new number into `config`, which names it by the half where there are two."""
    half = f"{'decoder' if 'decoder' in stack.split('.') else 'encoder'}_{ending}"
    setattr(config, half if hasattr(config, half) else single, value)


def _batches(
    model: TextModel, examples: Sequence[dict[str, Any]], batch_size: int
) -> Iterator[dict[str, Tensor]]:
    """`examples` by length, as tensors."""
    collate = model.collate()
    ordered = sorted(examples, key=lambda example: len(example["input_ids"]))
    for start in range(0, len(ordered), batch_size):
        yield collate(ordered[start : start + batch_size])
