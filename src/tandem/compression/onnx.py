"""The network as an ONNX graph with 8-bit integer weights, run by ONNX Runtime.

An ONNX graph runs without torch and transformers, and ONNX Runtime fuses its operators: predictions
for single texts take a third of the time that they take in torch. Weights and activations are
integers (dynamic quantization, as in `int8`); `common.onnx_graphs` builds the graphs.

An encoder is exported as one graph, model.onnx. A decoder, which Tandem uses only to score texts,
is exported as two graphs: model.onnx ends before the output layer, and head.onnx is the output
layer, so that the model family controls the number of tokens whose logits are computed at once. A
tensor that both graphs share is stored once, in model.data. Encoder–decoders are not supported,
because they generate token by token and need a key–value cache, which these graphs do not have.

The ONNX files are byte-identical in every run. Unlike the predictions of `int8`, those of `onnx`
may differ in their last bits between CPUs, because ONNX Runtime chooses its kernels for the CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from tandem.compression import CompressionContext
from tandem.compression.common.params import SmoothingParams
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel

LABEL = "8-bit ONNX graph"


class Params(StrictModel):
    """Which layers are kept in fp32, and how the loss of quality is limited."""

    per_token: bool = False
    """Use a separate quantization range for each token's activations. Results are closer to those
    of the fp32 model, and predictions take slightly longer."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings that are kept in fp32, given by their name suffixes."""
    smoothing: SmoothingParams | None = None
    """Smoothing of activation outliers before quantization; null turns it off."""


def compress(context: CompressionContext, params: Params) -> None:
    """Write the model as ONNX graphs with integer weights; only smoothing needs rows.

    Raises:
        StageError: the model is an encoder–decoder, it has no block that smoothing supports, or
            `skip_modules` names an embedding that is also the output layer.
    """
    network: Any = context.model.network
    if network.config.is_encoder_decoder:
        name = type(network).__name__
        raise StageError(
            f"onnx does not support {name}, which generates token by token; remove `onnx` from the "
            "methods of the task"
        )
    if network.can_generate() and _skips_tied_table(network, params.skip_modules):
        raise StageError(
            "onnx.skip_modules: the embedding and the output layer are tied and cannot be kept in "
            "fp32; remove them from skip_modules"
        )
    from tandem.compression.common import onnx_graphs, stored_layers
    from tandem.compression.common.smoothquant import smooth

    if params.smoothing:
        smooth(context.model, context.rows, params.smoothing.rows, params.smoothing.alpha)
    numbers = onnx_graphs.write(network, context.folder, params.skip_modules, params.per_token)
    network.config.save_pretrained(context.folder)
    context.model.tokenizer.save_pretrained(context.folder)
    io.write_json(context.folder / paths.METHOD, {"method": "onnx", stored_layers.NUMBERS: numbers})


def _skips_tied_table(network: Any, skip: list[str]) -> bool:
    """Whether the embedding and the output layer are tied, and `skip` names either of them."""
    table, head = network.get_input_embeddings(), network.get_output_embeddings()
    skipped = [m for name, m in network.named_modules() if any(name.endswith(end) for end in skip)]
    return head.weight is table.weight and any(layer in skipped for layer in (table, head))


def restore(folder: Path, _: Any) -> Any:
    """Load the ONNX graphs in `folder` as a network."""
    from tandem.compression.common import onnx_graphs

    return onnx_graphs.restore(folder)
