"""Weight-only quantization: 8- or 4-bit integer weights in groups, and computation in fp32.

Each row of a weight matrix is divided into groups of `group_size` adjacent weights. A group is
stored as w ≈ scale · q, rounded to nearest: with 8 bits, q is in -127…127 and scale = max|w| / 127;
with 4 bits, q is in -7…7 and scale = max|w| / 7. In smaller groups, a large weight reduces the
precision of fewer other weights (Dettmers & Zettlemoyer 2023, "The case for 4-bit precision: k-bit
Inference Scaling Laws"; round-to-nearest in groups is also the baseline of Frantar et al. 2023,
"GPTQ"). No calibration rows are needed.

A layer's matrix is converted to fp32 each time it is used, so activations are not quantized. The
integer weights of all layers stay in memory, but only one layer's fp32 matrix exists at a time. The
method saves space, not time; `int8` is faster.

In model.safetensors, the integers of the weight NAME are stored under NAME, two per byte if they
have 4 bits, and its fp16 scales under NAME_scale.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.core import io, paths
from tandem.core.schema import StrictModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tandem.compression.common.stored_layers import StoredTensors


LABEL = "4- or 8-bit weights, fp32 computation"

SCALE = "_scale"


class Params(StrictModel):
    """How precisely weights are stored, and which layers are kept in fp32."""

    bits: Literal[8, 4]
    """Bits per weight."""
    group_size: int = Field(ge=2)
    """Number of adjacent weights in a row that share a scale; a scale takes 16 bits."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings that are kept in fp32, given by their name suffixes."""


def compress(context: CompressionContext, params: Params) -> None:
    """Write the model with grouped integer weights; no calibration rows are needed."""
    from tandem.compression.common import stored_layers
    from tandem.compression.common.grouped_layers import pack, quantize

    def store(weight: Tensor) -> StoredTensors:
        integers, scale = quantize(weight, params.bits, params.group_size)
        packed = pack(integers) if params.bits == 4 else integers
        return {"": packed.flatten(), SCALE: scale}

    def count(weight: Tensor) -> int:
        return weight.numel() + len(weight) * -(-weight.shape[1] // params.group_size)

    marker = {"method": "grouped", "bits": params.bits, "group_size": params.group_size}
    stored_layers.write_model(context, params.skip_modules, store, marker, count)


def restore(folder: Path, auto: Any) -> Any:
    """Load the network in `folder` with the transformers class `auto`."""
    from torch import nn

    from tandem.compression.common import stored_layers
    from tandem.compression.common.grouped_layers import Grouped, GroupedEmbedding, GroupedLinear

    marker = io.read_json(folder / paths.METHOD)
    bits, group_size = marker["bits"], marker["group_size"]

    def rebuild(layer: Any, parts: StoredTensors, bias: Tensor | None) -> nn.Module | Tensor:
        rows, columns = layer.weight.shape
        weight = Grouped(parts[""].view(rows, -1), parts[SCALE], columns, bits, group_size)
        if isinstance(layer, nn.Linear):
            return GroupedLinear(weight, bias)
        if type(layer) is nn.Embedding:
            return GroupedEmbedding(weight)
        return weight.all()

    return stored_layers.restore(folder, auto, ("", SCALE), rebuild)
