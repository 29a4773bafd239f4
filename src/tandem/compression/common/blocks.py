"""Find and prune the blocks, feed-forward layers and attention modules of a network.

The names of these submodules differ between architectures, so this module lists the supported
names. The compression methods choose which submodules are removed.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

# Names of the linear layers in a block's feed-forward layer: those that compute its units, and the
# one that takes the units as input.
SHAPES = (
    (("intermediate.dense",), "output.dense"),  # networks like BERT
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),  # networks like Llama
    (("fc1",), "fc2"),  # Marian, BART
)
PROJECTIONS = ("q_proj", "k_proj", "v_proj")
# Names in a block: an attention module; its query, key and value layers; and its output layer.
ATTENTIONS = (
    ("attention.self", ("query", "key", "value"), "attention.output.dense"),  # networks like BERT
    ("self_attn", PROJECTIONS, "self_attn.o_proj"),  # networks like Llama
    ("self_attn", PROJECTIONS, "self_attn.out_proj"),  # Marian, BART
    ("encoder_attn", PROJECTIONS, "encoder_attn.out_proj"),
)


class FeedForward(NamedTuple):
    """A feed-forward layer with two linear layers, `into` and `out`.

    Their weights have the shapes (units, width) and (width, units).
    """

    into: list[nn.Linear]
    out: nn.Linear


class Attention(NamedTuple):
    """The linear layers of an attention module, and the width of a head.

    Several query heads that share a key–value head (grouped-query attention, Ainslie et al. 2023)
    form a group, which is kept or removed as a whole.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    width: int

    @property
    def shared(self) -> int:
        """The number of query heads per group."""
        return self.query.out_features // self.key.out_features

    @property
    def groups(self) -> int:
        """The number of groups, which is the number of key–value heads."""
        return self.key.out_features // self.width


def feed_forward(block: nn.Module) -> FeedForward | None:
    """The feed-forward layer of `block`, or None if its architecture is not supported."""
    modules = dict(block.named_modules())
    for into, out in SHAPES:
        linears: list[Any] = [modules.get(name) for name in (*into, out)]
        if all(isinstance(linear, nn.Linear) for linear in linears):
            return FeedForward(linears[:-1], linears[-1])
    return None


def attentions(block: nn.Module) -> Iterator[Attention]:
    """The supported attention modules of `block`: self-attention and cross-attention."""
    modules = dict(block.named_modules())
    for attention_name, projections, out in ATTENTIONS:
        names = (*(f"{attention_name}.{projection}" for projection in projections), out)
        linears: list[Any] = [modules.get(name) for name in names]
        if all(isinstance(linear, nn.Linear) for linear in linears):
            attention: Any = modules[attention_name]
            width = getattr(attention, "head_dim", None) or attention.attention_head_size
            query, key, value, last = linears
            yield Attention(query, key, value, last, width)


def stacks(network: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    """The name and blocks of each stack whose blocks all have a supported feed-forward layer."""
    for name, module in network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) and all(map(feed_forward, module)):
            yield name, module


def keep_blocks(network: Any, name: str, chosen: Sequence[int]) -> None:
    """Keep only the blocks of the stack `name` whose indices are in `chosen`."""
    stack = network.get_submodule(name)
    network.set_submodule(name, nn.ModuleList(stack[index] for index in chosen))
    for index, block in enumerate(network.get_submodule(name)):
        for module in block.modules():
            if hasattr(module, "layer_idx"):  # the index of the block in a key–value cache
                module.layer_idx = index
    set_config_size(network.config, name, "layers", "num_hidden_layers", len(chosen))


def prune_linear(linear: nn.Linear, kept: Tensor, out: bool) -> None:
    """Keep only the outputs of `linear` (its inputs if `out` is false) at the indices `kept`."""
    weight = linear.weight.detach()
    linear.weight = nn.Parameter((weight[kept] if out else weight[:, kept]).clone())
    if out and linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[kept].clone())
    linear.out_features, linear.in_features = linear.weight.shape


def set_config_size(config: Any, stack: str, ending: str, single: str, value: int) -> None:
    """Write a size of `stack`, such as its number of blocks, into `config`.

    The config of an encoder–decoder has one key for the encoder and one for the decoder, both with
    the suffix `ending`; configs of other networks only have the key `single`.
    """
    half = f"{'decoder' if 'decoder' in stack.split('.') else 'encoder'}_{ending}"
    setattr(config, half if hasattr(config, half) else single, value)
