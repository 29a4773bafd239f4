"""Weights as 8-bit integers: four times smaller, and linear layers computed in integers.

Each row of a weight matrix (an output channel of a linear layer, a token of an embedding) is
stored as w ≈ scale · q with q in -127…127 and scale = max|w| / 127, symmetric and per channel as
in Jacob et al. 2018 ("Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"). Activations are quantised as they come (dynamic
quantisation), to 7 bits: two products of 8 by 8 bits overflow the 16-bit sums of CPUs without
VNNI, two of 8 by 7 do not, so all instruction sets give the same bits.

A batch has one range of activations. Decoders such as Llama have tokens whose values are hundreds
of times the others' (Sun et al. 2024, "Massive Activations in Large Language Models"), which one
range wipes out; `per_token` first divides each token's values by their largest.

model.safetensors holds int8 under a weight's own name and fp32 under NAME_scale; a tied weight
lies there once. What is neither linear nor embedding stays fp32. The integers lie there flat, so
that `from_pretrained`, which would take them for weights, refuses their shape.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, GenerationConfig
from transformers.initialization import no_init_weights

from tandem.compression import Given
from tandem.compression._smoothing import smooth
from tandem.core import io
from tandem.core.params import Strict
from tandem.modeling._model import METHOD_FILE

WEIGHTS = "model.safetensors"
SCALE = "_scale"
LEAST = 1e-8  # a token of zeros stays one


class Smoothing(Strict):
    """How outliers of activations are moved into the weights before; see `_smoothing`."""

    alpha: float = Field(ge=0, le=1)
    """How much of the range is moved: 0 leaves it in the activations, 1 moves all."""
    rows: int = Field(ge=1)
    """Training rows by which ranges are judged."""


class Params(Strict):
    """What stays as it is, and what is done to lose little."""

    per_token: bool
    """Give each token's activations a range of their own: closer to fp32, a little slower."""
    keep: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""
    smoothing: Smoothing | None = None
    """Null smoothes nothing."""


def compress(given: Given, settings: Params) -> None:
    """Write the model with integer weights; needs rows for smoothing alone.

    Raises:
        StageError: the network has no block that smoothing knows.
    """
    model, folder = given.model, given.folder
    if settings.smoothing:
        smooth(model, given.rows, settings.smoothing.rows, settings.smoothing.alpha)
    model.save(folder)
    network = model.network
    quantised = {f"{name}.weight" for name, _ in _layers(network, settings.keep)}
    tensors: dict[str, Tensor] = {}
    for name, tensor in load_file(folder / WEIGHTS).items():
        if name in quantised:
            integers, tensors[name + SCALE] = quantise(tensor)
            tensors[name] = integers.flatten()
        else:
            tensors[name] = tensor
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    io.write_json(folder / METHOD_FILE, {"method": "int8", "per_token": settings.per_token})


def restore(folder: Path, auto: Any) -> Any:
    """The network in `folder`, built by the class `auto` of transformers, with integer layers."""
    tensors = load_file(folder / WEIGHTS)
    config = AutoConfig.from_pretrained(folder)
    with no_init_weights():  # memory that is not written to is not taken
        network = (getattr(auto, "from_config", None) or auto._from_config)(config)
    network.tie_weights()
    _fill(network, tensors, io.read_json(folder / METHOD_FILE)["per_token"])
    if network.can_generate():
        network.generation_config = GenerationConfig.from_pretrained(folder)
    return network.eval()


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A matrix (rows, columns) as int8 of its shape and fp32 scales (rows,)."""
    scale = weight.abs().amax(dim=1) / 127
    scale = scale.where(scale > 0, torch.ones_like(scale))
    return (weight / scale[:, None]).round().to(torch.int8), scale


class Int8Linear(nn.Module):
    """A linear layer of integers: int8 weight (out, in), scale (out,), fp32 bias (out,) or None."""

    def __init__(
        self, weight: Tensor, scale: Tensor, bias: Tensor | None, per_token: bool = False
    ) -> None:
        super().__init__()
        self.per_token = per_token
        self.bias = bias if per_token else None
        self.out_features, self.in_features = weight.shape
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        with warnings.catch_warnings():
            # the packing kernel takes no other tensor; issue 184982 of pytorch will replace it
            warnings.filterwarnings("ignore", message="torch.quantize_per_tensor", append=False)
            packable = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        self.packed = torch.ops.quantized.linear_prepack(packable, None if per_token else bias)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) to (…, out), both fp32."""
        if not self.per_token:
            return self._product(x)
        largest = x.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST)
        found = self._product(x / largest) * largest
        return found if self.bias is None else found + self.bias

    def _product(self, x: Tensor) -> Tensor:
        found: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=True)
        return found


class Int8Embedding(nn.Module):
    """An embedding of int8 rows (tokens, width) with a scale each; only rows looked up are fp32."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids (…) to fp32 rows (…, width)."""
        return self.weight[ids].float() * self.scale[ids].unsqueeze(-1)


def _layers(network: nn.Module, keep: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        wanted = isinstance(module, nn.Linear | nn.Embedding)
        if wanted and not any(name.endswith(end) for end in keep):
            yield name, module


def _first_names(network: nn.Module) -> dict[str, str]:
    """For each parameter the first name of the same tensor."""
    first: dict[int, str] = {}
    named = network.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(parameter), name) for name, parameter in named}


def _fill(network: Any, tensors: Mapping[str, Tensor], per_token: bool) -> None:
    """Put `tensors` in their places, and integer layers in the places of those quantised."""
    torch.backends.quantized.engine = "fbgemm"  # the default would choose by machine
    tied = _first_names(network)
    for name, module in list(network.named_modules()):
        if not isinstance(module, nn.Linear | nn.Embedding):
            continue
        weight = tied[f"{name}.weight"]
        if weight + SCALE not in tensors:
            continue
        pair = tensors[weight].view(module.weight.shape), tensors[weight + SCALE]
        if isinstance(module, nn.Linear):
            network.set_submodule(
                name, Int8Linear(*pair, tensors.get(tied.get(f"{name}.bias", "")), per_token)
            )
        elif type(module) is nn.Embedding:
            network.set_submodule(name, Int8Embedding(*pair))
        else:  # a kind of its own, as of positions: small, and its forward is not ours to know
            module.weight.data = pair[0].float() * pair[1][:, None]
    rest = {name: t for name, t in tensors.items() if t.is_floating_point() and SCALE not in name}
    missing, _ = network.load_state_dict(rest, strict=False)
    for name in missing:  # what is never saved, as sinusoids of positions, is made as it was
        if tied[name] not in tensors:
            network._init_weights(network.get_submodule(name.rpartition(".")[0]))
