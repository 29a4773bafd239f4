"""Write a network as ONNX graphs with 8-bit integer matrices, and load such graphs.

torch exports a network as a graph of standard operators (ONNX, https://onnx.ai). Linear layers
become `DynamicQuantizeLinear` and `MatMulInteger`, which ONNX Runtime fuses. Activations are
quantized to 8 bits and weights to the range -64…64, so that the sum of two products does not
overflow the 16-bit accumulators of CPUs without VNNI. A decoder becomes two graphs; the second is
the output layer. If the embedding and the output layer are tied, both graphs read the integers of
the tied weight from one file.

The ONNX files are byte-identical in every run: machine-dependent metadata that the exporter adds,
such as the paths of source files, is removed.
"""

import contextlib
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx.external_data_helper import set_external_data
from torch import Tensor, nn
from torch.onnx import ops
from transformers.modeling_outputs import ModelOutput

from tandem.compression.common import stored_layers
from tandem.compression.common.int8_layers import EPSILON, Int8Embedding, quantize
from tandem.core import io
from tandem.loading import pretrained

BODY, HEAD, SHARED = "model.onnx", "head.onnx", "model.data"
OPSET = 20
SHAPE = (2, 8)
"""Number of texts, and of tokens per text, in the batch that is traced; the graph accepts batches
of any size."""
MAX_WEIGHT = 64
"""The largest absolute value of an integer weight; with this limit, the sum of two products is
at most 2 · 255 · 64, which is below 2¹⁵."""


def write(network: Any, folder: Path, skip: Sequence[str], per_token: bool) -> int:
    """Write `network` as ONNX graphs into `folder`; this modifies `network` in place.

    Args:
        network: the network.
        folder: where the graphs are written.
        skip: name suffixes of linear layers and embeddings that are kept in fp32.
        per_token: whether each token's activations have their own quantization range, instead of
            one range per batch.

    Returns:
        The number of values in the initializers of the graphs; a shared one is counted once.
    """
    # Replace linear layers and embeddings with layers that have integer weights.
    head = network.get_output_embeddings() if network.can_generate() else None
    tied = head is not None and head.weight is network.get_input_embeddings().weight
    layers: list[tuple[str, Any]] = list(stored_layers.layers(network, skip))
    for name, layer in layers:
        integers = quantize(layer.weight.detach(), MAX_WEIGHT)
        if isinstance(layer, nn.Linear):
            network.set_submodule(name, _Linear(*integers, layer.bias, per_token))
        # subclasses of `nn.Embedding`, such as position embeddings, are small and stay in fp32
        elif type(layer) is nn.Embedding:
            network.set_submodule(name, Int8Embedding(*integers))

    # Trace one graph for an encoder, or two for a decoder.
    ids = torch.ones(SHAPE, dtype=torch.int64)
    body = network if head is None else network.base_model
    graphs = {BODY: _trace(_First(body), (ids, torch.ones_like(ids)), len(SHAPE))}
    if head is not None:
        states = torch.zeros(SHAPE[0], network.config.hidden_size)
        graphs[HEAD] = _trace(_Head(network.get_output_embeddings()), (states,), 1)

    # Write the graphs, with a tied embedding in its own file.
    numbers: int = sum(
        math.prod(c.dims) for graph in graphs.values() for c in graph.graph.initializer
    )
    if tied:
        table = network.get_input_embeddings().weight
        _share(graphs.values(), table.numpy().tobytes(), folder / SHARED)
        numbers -= math.prod(table.shape)
    for name, graph in graphs.items():
        io.write_bytes(folder / name, graph.SerializeToString(deterministic=True))
    return numbers


def restore(folder: Path) -> Any:
    """Load the ONNX graphs in `folder` as a network."""
    head = Graph(folder / HEAD) if (folder / HEAD).exists() else nn.Identity()
    return GraphNetwork(pretrained.config(folder), Graph(folder / BODY), head)


class Graph(nn.Module):
    """An ONNX Runtime session for a graph, with as many threads as torch uses."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Run the graph on its inputs (int64 or fp32), and return its only output (fp32)."""
        names = [entry.name for entry in self.session.get_inputs()]
        arrays = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(self.session.run(None, arrays)[0])


class GraphNetwork(nn.Module):
    """A network that runs ONNX graphs.

    The class implements the parts of transformers' model interface that Tandem's model families
    use.
    """

    device = torch.device("cpu")

    def __init__(self, config: Any, body: Graph, head: nn.Module) -> None:
        super().__init__()
        self.config, self.body, self.head = config, body, head

    def base_model(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> tuple[Tensor]:
        """The hidden states that the output layer takes, for token ids (batch, length)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return (self.body(input_ids, mask),)

    def get_output_embeddings(self) -> nn.Module:
        """The output layer, or the identity for an encoder, whose graph includes that layer."""
        return self.head

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Any:
        """The logits as a `ModelOutput`; token types are ignored: a text has only one type."""
        (states,) = self.base_model(input_ids, attention_mask)
        logits = self.head(states.flatten(0, -2))
        return ModelOutput(logits=logits.unflatten(0, states.shape[:-1]))

    def can_generate(self) -> bool:
        """Return False: generation is not supported, as the graphs only process whole texts."""
        return False


class _Linear(nn.Module):
    """A linear layer: an int8 weight (out, in), scales (out,) and an optional fp32 bias (out,)."""

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None, per_token: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else bias.detach()
        self.per_token = per_token

    def forward(self, x: Tensor) -> Tensor:
        """Map fp32 inputs (…, in) to outputs (…, out); the layer can only be traced, not run."""
        if self.per_token:
            largest = x.abs().amax(-1, keepdim=True).clamp(min=EPSILON)
            product = self._product(x / largest) * largest
        else:
            product = self._product(x)
        return product if self.bias is None else product + self.bias

    def _product(self, x: Tensor) -> Tensor:
        integers, scale, zero = ops.symbolic_multi_out(
            "DynamicQuantizeLinear",
            (x,),
            dtypes=(torch.uint8, torch.float32, torch.uint8),
            shapes=(x.shape, (), ()),
            version=11,
        )
        product = ops.symbolic(
            "MatMulInteger",
            (integers, self.weight.t(), zero),
            dtype=torch.int32,
            shape=(*x.shape[:-1], len(self.scale)),
            version=10,
        )
        return product.float() * (scale * self.scale)


class _First(nn.Module):
    """A wrapper that maps token ids and an attention mask to the network's first output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        config = self.network.config
        caches = {"use_cache": False} if getattr(config, "use_cache", False) else {}
        output: Tensor = self.network(input_ids, attention_mask=attention_mask, **caches)[0]
        return output


class _Head(nn.Module):
    """A wrapper that takes hidden states (tokens, width), and returns the output layer's logits."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, states: Tensor) -> Tensor:
        logits: Tensor = self.head(states)
        return logits


def _trace(network: nn.Module, inputs: tuple[Tensor, ...], any_size: int) -> onnx.ModelProto:
    """Export `network` as a graph without metadata.

    In the graph, the first `any_size` axes of each input may have any size.
    """
    axes = dict.fromkeys(range(any_size), torch.export.Dim.DYNAMIC)
    with _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            network.eval(),
            inputs,
            output_names=["output"],
            dynamic_shapes=[axes] * len(inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            # ONNX Runtime optimizes the graph when loading it; optimization by the exporter would
            # take minutes
            optimize=False,
        )
    model: onnx.ModelProto = program.model_proto
    for graph in (model.graph, *model.functions):
        for part in (model, graph, *graph.node, *graph.value_info):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
    for constant in model.graph.initializer:
        constant.ClearField("metadata_props")
        constant.ClearField("doc_string")
    return model


def _share(graphs: Iterable[onnx.ModelProto], content: bytes, file: Path) -> None:
    """Move the constant with the bytes `content` from `graphs` to the external data file `file`."""
    io.write_bytes(file, content)
    for graph in graphs:
        (constant,) = (c for c in graph.graph.initializer if c.raw_data == content)
        set_external_data(constant, file.name)
        constant.ClearField("raw_data")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log messages, warnings and printed output of the exporter."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
