"""The network as an ONNX graph, its weights as 8-bit integers, run by ONNX Runtime.

A graph needs neither torch nor transformers to run, and ONNX Runtime fuses what it can: texts that
come one at a time cost a third of what they cost in torch. Weights and activations are integers
(dynamic quantisation, as in `int8`); how the graph is made, `_graphs` tells.

Encoders answer with one graph, model.onnx. A decoder's scoring pass has two: model.onnx ends
before the output layer, and head.onnx is that layer, so that logits are made for as many tokens
at a time as the family asks for; what both hold lies in model.data once. Networks that generate
token by token from an encoder have states that no one graph holds: they are refused.

The bytes written are the same each time. The answers are those of ONNX Runtime's kernels, which it
chooses by the CPU: unlike `int8`'s, their last bits may differ between kinds of CPU.
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
    """What stays as it is, and what is done to lose little."""

    per_token: bool = False
    """Give each token's activations a range of their own: closer to fp32, a little slower."""
    skip_modules: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""
    smoothing: SmoothingParams | None = None
    """Null smoothes nothing."""


def compress(given: CompressionContext, settings: Params) -> None:
    """Write the model as graphs with integer weights; needs rows for smoothing alone.

    Raises:
        StageError: the model is an encoder–decoder, has no block that smoothing knows, or is told
            to keep an embedding that is its output layer too.
    """
    network: Any = given.model.network
    if network.config.is_encoder_decoder:
        name = type(network).__name__
        raise StageError(f"onnx: {name} generates token by token: take `onnx` out of its methods")
    if network.can_generate() and _kept_table(network, settings.skip_modules):
        raise StageError(
            "onnx.skip_modules: the output layer is the embedding, and both graphs hold it as integers: "
            "take it out of keep"
        )
    from tandem.compression.common import onnx_graphs, stored_layers
    from tandem.compression.common.smoothquant import smooth

    if settings.smoothing:
        smooth(given.model, given.rows, settings.smoothing.rows, settings.smoothing.alpha)
    numbers = onnx_graphs.write(network, given.folder, settings.skip_modules, settings.per_token)
    network.config.save_pretrained(given.folder)
    given.model.tokenizer.save_pretrained(given.folder)
    io.write_json(given.folder / paths.METHOD, {"method": "onnx", stored_layers.NUMBERS: numbers})


def _kept_table(network: Any, keep: list[str]) -> bool:
    """Whether `keep` names a tied table, by its name as embedding or as output layer."""
    table, head = network.get_input_embeddings(), network.get_output_embeddings()
    kept = [m for name, m in network.named_modules() if any(name.endswith(end) for end in keep)]
    return head.weight is table.weight and any(layer in kept for layer in (table, head))


def restore(folder: Path, _: Any) -> Any:
    """What answers as the network would whose graphs are in `folder`."""
    from tandem.compression.common import onnx_graphs

    return onnx_graphs.restore(folder)
