"""Write and load networks whose weights are stored in a form other than float matrices.

Compression methods that differ only in the stored form of weights share this module, which finds
the layers and tied weights, writes the folder and rebuilds the network.

The stored form of a weight consists of one or more tensors; the name of each tensor is the weight's
name plus a suffix. The tensor with the empty suffix is flattened, so that `from_pretrained` rejects
its shape instead of loading it as a weight. Tied weights are stored once.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.initialization import no_init_weights

from tandem.compression import CompressionContext
from tandem.core import io, paths
from tandem.loading import pretrained
from tandem.loading import tensors as stored_tensors

WEIGHTS = "model.safetensors"
NUMBERS = "numbers"
"""Key in tandem.json for the number of values in the tensors, if their shapes do not determine it.
The number is not stored in the metadata of the safetensors file, because the order of metadata
entries, and therefore the bytes of the file, may differ between runs."""

StoredTensors = Mapping[str, Tensor]
"""The stored form of a weight: a map from name suffixes to tensors."""


def layers(network: nn.Module, skip: Sequence[str] = ()) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, layer) for linear layers and embeddings whose names end with none of `skip`."""
    for name, module in network.named_modules():
        is_layer = isinstance(module, nn.Linear | nn.Embedding)
        if is_layer and not any(name.endswith(end) for end in skip):
            yield name, module


def first_names(network: nn.Module) -> dict[str, str]:
    """Map each parameter name to the first name of its tensor; a tied tensor has several names."""
    first: dict[int, str] = {}
    named = network.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(parameter), name) for name, parameter in named}


def write_model(
    context: CompressionContext,
    skip: Sequence[str],
    store: Callable[[Tensor], StoredTensors],
    marker: Mapping[str, Any],
    count: Callable[[Tensor], int] | None = None,
    other_dtype: torch.dtype | None = None,
) -> None:
    """Write the model with the weights of its layers in their stored form.

    Args:
        context: the model and its folder.
        skip: name suffixes of layers that are written unchanged.
        store: returns the stored form of a weight (out, in).
        marker: the content of tandem.json.
        count: returns the number of values that are stored for a weight; needed if the shapes of
            the stored tensors do not determine this number.
        other_dtype: the type of all other parameters, such as biases and norms, except those of
            skipped layers; None leaves them unchanged.
    """
    model, folder = context.model, context.folder
    model.save(folder)
    names = {f"{name}.weight" for name, _ in layers(model.network, skip)}
    skipped = tuple(f"{end}.{part}" for end in skip for part in ("weight", "bias"))
    tensors: dict[str, Tensor] = {}
    numbers = 0
    for name, tensor in stored_tensors.load(folder / WEIGHTS).items():
        if name in names:
            stored = store(tensor)
        elif other_dtype and tensor.is_floating_point() and not name.endswith(skipped):
            stored = {"": tensor.to(other_dtype)}
        else:
            stored = {"": tensor}
        tensors |= {name + ending: part for ending, part in stored.items()}
        numbers += count(tensor) if count and name in names else tensor.numel()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    io.write_json(folder / paths.METHOD, {**marker, **({NUMBERS: numbers} if count else {})})


def restore(
    folder: Path,
    auto: Any,
    endings: Collection[str],
    rebuild: Callable[[nn.Module, StoredTensors, Tensor | None], nn.Module | Tensor],
) -> Any:
    """Load the network in `folder`, in evaluation mode.

    Args:
        folder: the folder that `write_model` wrote.
        auto: the transformers class that builds the network.
        endings: the name suffixes of the tensors of a stored form.
        rebuild: `rebuild(layer, parts, bias)` returns the module that replaces `layer`, or
            the new weight of `layer`, built from its stored tensors `parts`.
    """
    tensors = stored_tensors.load(folder / WEIGHTS)
    network = skeleton(folder, auto)
    tied = first_names(network)
    used: set[str] = set()
    # Rebuild the layers whose weights are in their stored form.
    for name, module in list(layers(network)):
        weight = tied[f"{name}.weight"]
        names = {ending: weight + ending for ending in endings}
        if not all(part in tensors for part in names.values()):
            continue
        used |= set(names.values())
        parts = {ending: tensors[part] for ending, part in names.items()}
        built = rebuild(module, parts, tensors.get(tied.get(f"{name}.bias", "")))
        if isinstance(built, nn.Module):
            network.set_submodule(name, built)
        else:
            module.weight.data = built
    fill(network, {n: t for n, t in tensors.items() if n not in used}, tied, tensors)
    return network.eval()


def skeleton(folder: Path, auto: Any) -> Any:
    """The network that the config in `folder` describes, with uninitialized weights."""
    config = pretrained.config(folder)
    # without initialization, the OS allocates no memory for the weights until they are written
    with no_init_weights():
        network = pretrained.blank(auto, config)
    network.tie_weights()
    if network.can_generate():
        network.generation_config = pretrained.generation_config(folder)
    return network


def fill(
    network: Any, tensors: StoredTensors, tied: Mapping[str, str], stored: Collection[str]
) -> None:
    """Load `tensors` into `network`, and initialize the weights that are not in `stored`.

    Weights such as sinusoidal position embeddings are not stored.
    """
    missing, _ = network.load_state_dict(tensors, strict=False)
    for name in missing:
        if tied[name] not in stored:
            network._init_weights(network.get_submodule(name.rpartition(".")[0]))
