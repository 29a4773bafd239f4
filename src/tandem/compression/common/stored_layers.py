"""Layers whose weights are stored in another form than a matrix of floats.

Methods that differ in the form alone share the rest here: which layers there are, which weights
are tied, how the folder is written and how the network is built again.

A stored form is some tensors, each under the weight's own name and an ending of the method's. One
ending is empty; its tensor lies there flat, so that `from_pretrained`, which would take it for
weights, refuses its shape. A tied weight lies there once.
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
"""In tandem.json: how many numbers the tensors hold, where their shapes do not say. Not in the
file's own metadata, whose entries safetensors writes in no fixed order."""

StoredTensors = Mapping[str, Tensor]
"""A weight's stored form: tensors by the endings of their names."""


def layers(network: nn.Module, keep: Sequence[str] = ()) -> Iterator[tuple[str, nn.Module]]:
    """Linear layers and embeddings by name, without those whose names end as one of `keep`."""
    for name, module in network.named_modules():
        wanted = isinstance(module, nn.Linear | nn.Embedding)
        if wanted and not any(name.endswith(end) for end in keep):
            yield name, module


def first_names(network: nn.Module) -> dict[str, str]:
    """For each parameter the first name of the same tensor."""
    first: dict[int, str] = {}
    named = network.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(parameter), name) for name, parameter in named}


def write_model(
    given: CompressionContext,
    keep: Sequence[str],
    store: Callable[[Tensor], StoredTensors],
    marker: Mapping[str, Any],
    count: Callable[[Tensor], int] | None = None,
    rest: torch.dtype | None = None,
) -> None:
    """Write the model with `store(weight)` for each weight (out, in) of a layer not in `keep`.

    `rest` is the type that all other numbers, as biases and norms, are stored in, but for those of
    layers in `keep`; None leaves them as they are. `marker` becomes tandem.json. `count(weight)`
    says how many numbers a stored weight is, for forms that pack several into one byte.
    """
    model, folder = given.model, given.folder
    model.save(folder)
    names = {f"{name}.weight" for name, _ in layers(model.network, keep)}
    own = tuple(f"{end}.{part}" for end in keep for part in ("weight", "bias"))
    tensors: dict[str, Tensor] = {}
    numbers = 0
    for name, tensor in stored_tensors.load(folder / WEIGHTS).items():
        if name in names:
            stored = store(tensor)
        elif rest and tensor.is_floating_point() and not name.endswith(own):
            stored = {"": tensor.to(rest)}
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
    """The network in `folder`, built by the class `auto` of transformers, in evaluation mode.

    `rebuild(layer, parts, bias)` gives what stands in the place of a stored layer: a module, or
    the layer's weight, which `layer` as it was built then takes.
    """
    tensors = stored_tensors.load(folder / WEIGHTS)
    network = skeleton(folder, auto)
    tied = first_names(network)
    used: set[str] = set()
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
    """The network that the config in `folder` describes, its memory not written to."""
    config = pretrained.config(folder)
    with no_init_weights():  # memory that is not written to is not taken
        network = pretrained.blank(auto, config)
    network.tie_weights()
    if network.can_generate():
        network.generation_config = pretrained.generation_config(folder)
    return network


def fill(
    network: Any, tensors: StoredTensors, tied: Mapping[str, str], stored: Collection[str]
) -> None:
    """Put `tensors` in their places; what is in no file, as sinusoids of positions, is made."""
    missing, _ = network.load_state_dict(tensors, strict=False)
    for name in missing:
        if tied[name] not in stored:
            network._init_weights(network.get_submodule(name.rpartition(".")[0]))
