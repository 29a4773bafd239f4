"""8-bit integer weights: a quarter of the fp32 size, and integer arithmetic in linear layers.

Each row of a weight matrix (an output channel of a linear layer, a token of an embedding) is
stored as w ≈ scale · q with q in -127…127 and scale = max|w| / 127, symmetric and per channel as
in Jacob et al. 2018 ("Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"). Activations are quantized to 7 bits at run time (dynamic
quantization). The sum of two 8-bit by 8-bit products can overflow the 16-bit accumulators of CPUs
without VNNI, whereas the sum of two 8-bit by 7-bit products cannot. The results are therefore
bit-identical on all instruction sets.

By default, all tokens of a batch share one activation range. In decoders such as Llama, the values
of some tokens are hundreds of times larger than those of other tokens (Sun et al. 2024, "Massive
Activations in Large Language Models"), so a shared range would round the smaller values to zero. If
`per_token` is true, each token's values are first divided by their largest absolute value.

In model.safetensors, the integers of the weight NAME are stored under NAME, and its fp16 scales
under NAME_scale; tied weights are stored once. Biases and all other parameters, except those of
layers in `skip_modules`, are stored in fp16 and converted to fp32 when they are loaded. The
integers are flattened, so that `from_pretrained` rejects their shape instead of loading them as
weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.compression.common.params import PruningParams, SmoothingParams
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tandem.compression.common.stored_layers import StoredTensors

LABEL = "8-bit weights and activations"


class Params(StrictModel):
    """Which layers are kept in fp32, and how the loss of quality is limited."""

    pruned: PruningParams | None = None
    """Structured pruning before quantization, for an even faster model; null turns it off."""

    per_token: bool = False
    """Use a separate quantization range for each token's activations. Results are closer to those
    of the fp32 model, and predictions take slightly longer."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings that are kept in fp32, given by their name suffixes."""
    smoothing: SmoothingParams | None = None
    """Smoothing of activation outliers before quantization; null turns it off."""
    num_beams: int | None = Field(default=None, ge=1)
    """Number of beams in the compressed model's beam search; fewer beams make the search faster. 1
    means greedy search; null keeps the trained model's number of beams."""


def compress(context: CompressionContext, params: Params) -> None:
    """Write the model with integer weights; only pruning and smoothing need rows.

    Raises:
        StageError: `num_beams` is set for a model that does not generate, or smoothing or pruning
            does not support the network's architecture.
    """
    import torch

    from tandem.compression.common import int8_layers, stored_layers
    from tandem.compression.common.pruning import prune
    from tandem.compression.common.smoothquant import smooth

    if params.num_beams:
        _set_num_beams(context.model.network, params.num_beams)
    if params.pruned:
        prune(context, params.pruned)
    if params.smoothing:
        smooth(context.model, context.rows, params.smoothing.rows, params.smoothing.alpha)
    marker = {"method": "int8", "per_token": params.per_token}
    stored_layers.write_model(
        context, params.skip_modules, int8_layers.store, marker, other_dtype=torch.float16
    )


def restore(folder: Path, auto: Any) -> Any:
    """Load the network in `folder` with the transformers class `auto`."""
    import torch
    from torch import nn

    from tandem.compression.common import int8_layers, stored_layers

    # PyTorch's default engine for quantized operators depends on the machine
    torch.backends.quantized.engine = "fbgemm"
    per_token: bool = io.read_json(folder / paths.METHOD)["per_token"]

    def rebuild(layer: Any, parts: StoredTensors, bias: Tensor | None) -> nn.Module | Tensor:
        weight, scale = parts[""].view(layer.weight.shape), parts[int8_layers.SCALE].float()
        if isinstance(layer, nn.Linear):
            offset = None if bias is None else bias.float()
            return int8_layers.Int8Linear(weight, scale, offset, per_token)
        if type(layer) is nn.Embedding:
            return int8_layers.Int8Embedding(weight, scale)
        # subclasses of `nn.Embedding`, such as position embeddings, are small and have their own
        # forward method, so they remain fp32 layers
        return weight.float() * scale[:, None]

    return stored_layers.restore(folder, auto, ("", int8_layers.SCALE), rebuild)


def _set_num_beams(network: Any, num_beams: int) -> None:
    """Make `network` generate with `num_beams` beams."""
    if not network.can_generate():
        raise StageError(
            f"int8.num_beams must be null, because {type(network).__name__} does not generate text"
        )
    network.generation_config.num_beams = num_beams
    if num_beams == 1:  # transformers rejects beam-search options for greedy search
        network.generation_config.length_penalty = None
