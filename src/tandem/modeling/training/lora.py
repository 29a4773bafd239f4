"""Add low-rank adapters of the peft library before training, and merge them after training.

The method is LoRA (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"): the
weight W of a linear layer is frozen, and a product B·A of low rank is trained. The merged
weight, W + (alpha / r)·B·A, has the shape of W, so the saved model is an ordinary model of its
architecture, with the same size and speed as without adapters.
"""

from collections.abc import Iterator
from typing import Any

from torch import nn

from tandem.core.errors import StageError
from tandem.core.training_params import LoraParams
from tandem.modeling.training.freezing import BLOCK


def adapt(network: Any, lora: LoraParams) -> Any:
    """Add adapters to `network`, in place; pass the returned object to `merge`.

    Adapters are added to the linear layers of trainable blocks. Trainable parameters outside of
    blocks, such as a new head, remain trainable.

    Raises:
        StageError: no linear layer in a trainable block matches `lora.target_modules`.
    """
    # peft is slow to import, and only needed if a model is trained with adapters
    from peft import LoraConfig, LoraModel

    layers = list(_layers(network))
    chosen = [
        name
        for name in layers
        if not lora.target_modules or name.split(".")[-1] in lora.target_modules
    ]
    if not chosen:
        available = sorted({name.split(".")[-1] for name in layers})
        raise StageError(
            "lora.target_modules matches no trainable linear layer; "
            f"available names: {', '.join(available)}"
        )
    outside_blocks = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and not BLOCK.match(name)
    ]
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=chosen
    )
    adapted = LoraModel(network, config, "default")
    for parameter in outside_blocks:
        parameter.requires_grad_(True)
    return adapted


def merge(adapted: Any) -> None:
    """Merge the adapters into the weights of the network, and remove them."""
    adapted.merge_and_unload()


def _layers(network: nn.Module) -> Iterator[str]:
    """Names of the linear layers that are in blocks and whose weights are trainable."""
    for name, module in network.named_modules():
        if BLOCK.match(name) and isinstance(module, nn.Linear) and module.weight.requires_grad:
            yield name
