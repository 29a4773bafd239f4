"""What any network of transformers can be told, whatever its architecture."""

import re

from torch import nn

BLOCK = re.compile(r"(.*?)\.(\d+)\.")
"""Stack and number at the head of a name: `encoder.layer.5.…`, `layers.29.…`."""


def set_dropout(network: nn.Module, share: float) -> None:
    """Set every kind of dropout in `network` and its config to `share`.

    Architectures name theirs apart (BERT `hidden_dropout_prob`, Marian `activation_dropout`) and
    hold them as modules or as plain numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        owners = [vars(module), vars(getattr(module, "config", nn.Module()))]
        for values in owners:
            for name, value in values.items():
                if "dropout" in name and isinstance(value, float):
                    values[name] = share


def freeze(network: nn.Module, last: int) -> None:
    """Leave only the last `last` blocks of each stack, and what stands after them, trainable.

    A stack is what transformers keeps as a numbered list: `encoder.layer.5.…`, `layers.29.…`.
    Parameters come in the order in which the network uses them: embeddings, blocks, head.
    """
    names = [name for name, _ in network.named_parameters()]
    depth: dict[str, int] = {}
    for name in names:
        if found := BLOCK.match(name):
            depth[found[1]] = max(depth.get(found[1], 0), int(found[2]) + 1)
    trainable = False
    for name, parameter in network.named_parameters():
        if found := BLOCK.match(name):
            trainable = int(found[2]) >= depth[found[1]] - last
        if not trainable:
            parameter.requires_grad_(False)
