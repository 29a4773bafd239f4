"""Where a network keeps its blocks, and in them its feed-forward layers and attentions.

Architectures name these apart; what is known of a name is here alone. Linear layers, blocks and
configs are made smaller here too; which part goes is for a method to say.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

# A block's feed-forward layer: the linear layers into its units, and the one out of them.
SHAPES = (
    (("intermediate.dense",), "output.dense"),  # BERT and its kin
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"),  # Llama and its kin
    (("fc1",), "fc2"),  # Marian, BART
)
PROJECTIONS = ("q_proj", "k_proj", "v_proj")
# A block's attentions: the module, its queries, keys and values, and the linear layer out.
ATTENTIONS = (
    ("attention.self", ("query", "key", "value"), "attention.output.dense"),  # BERT and its kin
    ("self_attn", PROJECTIONS, "self_attn.o_proj"),  # Llama and its kin
    ("self_attn", PROJECTIONS, "self_attn.out_proj"),  # Marian, BART
    ("encoder_attn", PROJECTIONS, "encoder_attn.out_proj"),
)


class FeedForward(NamedTuple):
    """The linear layers (units, width) into a block's units, and the one (width, units) out."""

    into: list[nn.Linear]
    out: nn.Linear


class Attention(NamedTuple):
    """The linear layers of an attention, and the numbers that one head has.

    Where several heads of queries share a head of keys and values (grouped-query attention,
    Ainslie et al. 2023), they are one group, which stays or goes as a whole.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    width: int

    @property
    def shared(self) -> int:
        """Heads of queries in a group."""
        return self.query.out_features // self.key.out_features

    @property
    def groups(self) -> int:
        """Heads of keys and values."""
        return self.key.out_features // self.width


def feed_forward(block: nn.Module) -> FeedForward | None:
    """The feed-forward layer of `block`, if it has one of a known shape."""
    modules = dict(block.named_modules())
    for into, out in SHAPES:
        found: list[Any] = [modules.get(name) for name in (*into, out)]
        if all(isinstance(module, nn.Linear) for module in found):
            return FeedForward(found[:-1], found[-1])
    return None


def attentions(block: nn.Module) -> Iterator[Attention]:
    """The attentions of `block` of a known shape: over itself, and, in a decoder, the encoder."""
    modules = dict(block.named_modules())
    for whole, parts, out in ATTENTIONS:
        names = (*(f"{whole}.{part}" for part in parts), out)
        found: list[Any] = [modules.get(name) for name in names]
        if all(isinstance(module, nn.Linear) for module in found):
            module: Any = modules[whole]
            width = getattr(module, "head_dim", None) or module.attention_head_size
            query, key, value, last = found
            yield Attention(query, key, value, last, width)


def stacks(network: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    """The lists of blocks with a feed-forward layer each: their names and themselves."""
    for name, module in network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) and all(map(feed_forward, module)):
            yield name, module


def keep_blocks(network: Any, name: str, chosen: Sequence[int]) -> None:
    """Leave of the stack `name` only the blocks whose numbers are `chosen`."""
    stack = network.get_submodule(name)
    network.set_submodule(name, nn.ModuleList(stack[number] for number in chosen))
    for number, block in enumerate(network.get_submodule(name)):
        for module in block.modules():
            if hasattr(module, "layer_idx"):  # where a key–value cache keeps its states
                module.layer_idx = number
    set_config_size(network.config, name, "layers", "num_hidden_layers", len(chosen))


def prune_linear(linear: nn.Linear, kept: Tensor, out: bool) -> None:
    """Leave of `linear` only the outputs, or else inputs, whose numbers are `kept`."""
    weight = linear.weight.detach()
    linear.weight = nn.Parameter((weight[kept] if out else weight[:, kept]).clone())
    if out and linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[kept].clone())
    linear.out_features, linear.in_features = linear.weight.shape


def set_config_size(config: Any, stack: str, ending: str, single: str, value: int) -> None:
    """Write a stack's new number into `config`, which names it by the half where there are two."""
    half = f"{'decoder' if 'decoder' in stack.split('.') else 'encoder'}_{ending}"
    setattr(config, half if hasattr(config, half) else single, value)
