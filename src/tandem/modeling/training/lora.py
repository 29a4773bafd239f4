"""Low-rank adapters by the peft library: put in before a fit, merged into the weights after it.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models": a linear layer's W stays, and
B·A of a low rank is trained beside it. Merged, W + (alpha / rank)·B·A is an ordinary weight, so
that what is saved is a plain model of its architecture, as fast and as large as before.
"""

from collections.abc import Iterator
from typing import Any

from torch import nn

from tandem.core.errors import StageError
from tandem.core.training_params import LoraParams
from tandem.modeling.training.freezing import BLOCK


def adapt(network: Any, lora: LoraParams) -> Any:
    """Put adapters into `network`, in place; what is returned merges them.

    Adapters go beside linear layers of blocks that are trainable; what is trainable outside the
    blocks, as a new head has to be, stays so.

    Raises:
        StageError: no such layer has a name that `lora.target_modules` lists.
    """
    from peft import LoraConfig, LoraModel  # seconds that a fit without adapters is spared

    layers = list(_layers(network))
    chosen = [
        name
        for name in layers
        if not lora.target_modules or name.split(".")[-1] in lora.target_modules
    ]
    if not chosen:
        known = sorted({name.split(".")[-1] for name in layers})
        raise StageError(
            f"lora.target_modules names no layer of the network; it has {', '.join(known)}"
        )
    beside = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and not BLOCK.match(name)
    ]
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=chosen
    )
    adapted = LoraModel(network, config, "default")
    for parameter in beside:
        parameter.requires_grad_(True)
    return adapted


def merge(adapted: Any) -> None:
    """Add the adapters to the weights of the network that `adapt` was given, and take them out."""
    adapted.merge_and_unload()


def _layers(network: nn.Module) -> Iterator[str]:
    """Names of the linear layers of the blocks whose weights are trainable."""
    for name, module in network.named_modules():
        if BLOCK.match(name) and isinstance(module, nn.Linear) and module.weight.requires_grad:
            yield name
