"""Set the dropout probability of a transformer of any architecture, and freeze its layers."""

import re

from torch import nn

BLOCK = re.compile(r"(.*?)\.(\d+)\.")
"""Matches the stack and the index of a block in a parameter's name, such as `encoder.layer.5.…`."""


def set_dropout(network: nn.Module, probability: float) -> None:
    """Set all dropout probabilities in `network` and its configs.

    Architectures use different names for these probabilities (`hidden_dropout_prob` in BERT,
    `activation_dropout` in Marian), and store them in modules or as plain numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
        owners = [vars(module), vars(getattr(module, "config", nn.Module()))]
        for attributes in owners:
            for name, value in attributes.items():
                if "dropout" in name and isinstance(value, float):
                    attributes[name] = probability


def freeze(network: nn.Module, last: int) -> None:
    """Freeze all parameters before the last blocks of each stack.

    `last` is the number of blocks per stack that remain trainable; parameters after a stack,
    such as those of a head, remain trainable too.

    A stack is a numbered list of blocks; in transformers, the names of its parameters begin with,
    for example, `encoder.layer.5.` or `layers.29.`. This function assumes that the parameters are
    in the order in which the network uses them: embeddings, blocks, head.
    """
    depths: dict[str, int] = {}
    for name, _ in network.named_parameters():
        if match := BLOCK.match(name):
            depths[match[1]] = max(depths.get(match[1], 0), int(match[2]) + 1)
    trainable = False
    for name, parameter in network.named_parameters():
        if match := BLOCK.match(name):
            trainable = int(match[2]) >= depths[match[1]] - last
        if not trainable:
            parameter.requires_grad_(False)
