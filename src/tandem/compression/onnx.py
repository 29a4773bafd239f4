"""The network as an ONNX graph, its weights as 8-bit integers, run by ONNX Runtime.

torch traces the network to a graph of standard operators (ONNX, https://onnx.ai), which needs
neither torch nor transformers to run; ONNX Runtime makes weights and activations integers
(dynamic quantisation, as in `int8`) and fuses what it can. Activations have 8 bits, weights 7:
their products do not overflow the 16-bit sums of CPUs without VNNI.

Encoders answer with one graph, model.onnx. A decoder's scoring pass has two: model.onnx ends
before the output layer, and head.onnx is that layer, so that logits are made for as many tokens
at a time as the family asks for. Networks that generate token by token from an encoder have
states that no one graph holds: they are refused.

The bytes written are the same each time: what exporters add about the machine, such as the paths
of source files, is taken out. The answers are those of ONNX Runtime's kernels, which it chooses
by the CPU: unlike `int8`'s, their last bits may differ between kinds of CPU.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoConfig
from transformers.modeling_outputs import ModelOutput

from tandem.compression import Given
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.params import Strict

BODY, HEAD = "model.onnx", "head.onnx"
OPSET = 20
SCOPES = "pkg.torch.onnx.name_scopes"
"""Where torch's exporter notes the modules that a node comes from."""
SHAPE = (2, 8)
"""Texts and tokens of the batch that is traced; the graph takes any number of both."""


class Params(Strict):
    """What stays as it is."""

    keep: list[str] = Field(default=[])
    """Linear layers and embeddings left in fp32, by the ends of their names."""


def compress(given: Given, settings: Params) -> None:
    """Write the model as graphs with integer weights; needs no rows.

    Raises:
        StageError: the model is an encoder–decoder.
    """
    network: Any = given.model.network
    if network.config.is_encoder_decoder:
        name = type(network).__name__
        raise StageError(f"onnx: {name} generates token by token: take `onnx` out of its methods")
    ids = torch.ones(SHAPE, dtype=torch.int64)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    body, head = network, None
    if network.can_generate():
        body, head = network.base_model, network.get_output_embeddings()
    _write(_First(body), inputs, 2, given.folder / BODY, settings.keep)
    if head is not None:
        states = torch.zeros(SHAPE[0], network.config.hidden_size)
        _write(_Head(head), {"states": states}, 1, given.folder / HEAD, settings.keep)
    network.config.save_pretrained(given.folder)
    given.model.tokenizer.save_pretrained(given.folder)
    io.write_json(given.folder / paths.METHOD, {"method": "onnx"})


def restore(folder: Path, _: Any) -> Any:
    """What answers as the network would whose graphs are in `folder`."""
    head = Graph(folder / HEAD) if (folder / HEAD).exists() else nn.Identity()
    return OnnxNetwork(AutoConfig.from_pretrained(folder), Graph(folder / BODY), head)


class Graph(nn.Module):
    """A graph in ONNX Runtime, with the threads of torch."""

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
        """The graph's inputs in its order, each int64 or fp32; its one output, fp32."""
        names = [entry.name for entry in self.session.get_inputs()]
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(self.session.run(None, given)[0])


class OnnxNetwork(nn.Module):
    """What the families ask of a network of transformers, answered by graphs."""

    device = torch.device("cpu")

    def __init__(self, config: Any, body: Graph, head: nn.Module) -> None:
        super().__init__()
        self.config, self.body, self.head = config, body, head

    def base_model(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> tuple[Tensor]:
        """What the output layer takes, for token ids (batch, length)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return (self.body(input_ids, mask),)

    def get_output_embeddings(self) -> nn.Module:
        """The output layer; of an encoder it has been applied already."""
        return self.head

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Any:
        """An output with `logits`; single texts have one token type, so none is asked for."""
        (found,) = self.base_model(input_ids, attention_mask)
        answers = self.head(found.flatten(0, -2))
        return ModelOutput(logits=answers.unflatten(0, found.shape[:-1]))

    def can_generate(self) -> bool:
        """It answers for whole texts."""
        return False


class _First(nn.Module):
    """A network's first output, of ids and mask alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        config = self.network.config
        caches = {"use_cache": False} if getattr(config, "use_cache", False) else {}
        found: Tensor = self.network(input_ids, attention_mask=attention_mask, **caches)[0]
        return found


class _Head(nn.Module):
    """An output layer of states (tokens, width)."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, states: Tensor) -> Tensor:
        found: Tensor = self.head(states)
        return found


def _write(
    network: nn.Module, inputs: dict[str, Tensor], any_size: int, path: Path, keep: Sequence[str]
) -> None:
    """Trace `network` at `inputs`, whose first `any_size` axes may vary; write it in integers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    axes = dict.fromkeys(range(any_size), torch.export.Dim.DYNAMIC)
    with _quiet():
        program: Any = torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["output"],
            dynamic_shapes=[axes] * len(inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        graph = program.model_proto
        with tempfile.TemporaryDirectory() as scratch:
            quantize_dynamic(
                graph,
                Path(scratch) / BODY,
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_kept(graph, keep),
            )
            _bare(Path(scratch) / BODY, path)


def _kept(graph: Any, keep: Sequence[str]) -> list[str]:
    """The names of the nodes that come from modules whose names end as one of `keep`."""
    return [
        node.name
        for node in graph.graph.node
        for entry in node.metadata_props
        if entry.key == SCOPES and any(f"{end}'" in entry.value for end in keep)
    ]


def _bare(source: Path, path: Path) -> None:
    """Copy a graph without what tools note in it beside what it computes."""
    import onnx

    model = onnx.load(source)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    path.write_bytes(model.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporters from telling what nobody asked."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
