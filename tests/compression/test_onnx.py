"""onnx: graphs that answer as the network does, of the same bytes each time."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tandem.compression import CompressionContext, onnx
from tandem.compression.common import onnx_graphs
from tandem.compression.common.int8_layers import quantise
from tandem.compression.common.params import SmoothingParams
from tandem.core import task as tasks
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.modeling.families import causal
from tandem.modeling.weight_stats import weight_stats

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def compressed(model: Any, folder: Path, rows: Sequence[Row] = (), **settings: Any) -> Any:
    folder.mkdir(exist_ok=True)
    given = CompressionContext(copy.deepcopy(model), rows, [], RUNTIME, folder)
    onnx.compress(given, onnx.Params(**settings))
    return type(model).load(folder, model.task)


def bare(probe: Any) -> Any:
    if probe.network.config.model_type != "bert":
        pytest.skip("one encoder is enough")
    return probe


@pytest.mark.slow
def test_an_encoder_answers_like_its_base(probe: Any, tmp_path: Path) -> None:
    bare(probe).save(tmp_path / "base")
    small = compressed(probe, tmp_path / "all").network
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(2, 390, (5, 11), generator=draw)
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    with torch.inference_mode():
        before = probe.network(input_ids=ids, attention_mask=mask).logits
        after = small(input_ids=ids, attention_mask=mask).logits
        alone = small(input_ids=ids[:1, :4]).logits
    assert 0 < (after - before).abs().max() < 0.05 * before.abs().max()
    assert torch.allclose(alone, after[:1], atol=0.02 * float(before.abs().max()))

    compressed(probe, tmp_path / "kept", keep=["query", "word_embeddings"])
    sizes = [weight_stats(tmp_path / name) for name in ("base", "all", "kept")]
    base, whole, kept = sizes
    assert base["size_bytes"] > 2.5 * whole["size_bytes"]
    assert whole["size_bytes"] + 3 * 400 * 64 < kept["size_bytes"]
    assert base["parameters"] <= whole["parameters"] < 1.3 * base["parameters"]
    assert whole["weights_sha256"] != kept["weights_sha256"]
    for path in (tmp_path / "all").iterdir():
        content = path.read_bytes()
        assert str(Path(onnx.__file__).parents[3]).encode() not in content
        assert str(tmp_path).encode() not in content
        assert b"site-packages" not in content


@pytest.mark.slow
def test_a_generator_is_scored_in_two_graphs(tiny: Path, tmp_path: Path, rows: list[Row]) -> None:
    model = causal.Model.load(tiny / "generator", tasks.load("generation"))
    vocabulary, width = model.network.get_input_embeddings().weight.shape
    before = bits(model, rows)
    smoothing = SmoothingParams(alpha=0.5, rows=4)
    small = compressed(model, tmp_path / "onnx", rows, per_token=True, smoothing=smoothing)
    assert bits(small, rows) == pytest.approx(before, rel=0.005)
    assert bits(small, rows) != before
    found, base = (weight_stats(f) for f in (tmp_path / "onnx", tiny / "generator"))
    table = (tmp_path / "onnx" / onnx_graphs.SHARED).stat().st_size
    assert table == vocabulary * width
    # both graphs together hold what the network has, and scales
    assert base["parameters"] <= found["parameters"] < 1.3 * base["parameters"]
    (tmp_path / "onnx" / onnx_graphs.SHARED).write_bytes(bytes(table))
    assert bits(type(model).load(tmp_path / "onnx", model.task), rows) != bits(small, rows)
    assert weight_stats(tmp_path / "onnx")["weights_sha256"] != found["weights_sha256"]


def bits(model: Any, rows: list[Row]) -> float:
    return float(sum(answer["bits"] for answer in model.predict(rows, 4)))


def test_a_range_for_each_token_is_closer(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(24, 48, generator=draw), torch.randn(24, generator=draw)
    x = torch.randn(6, 48, generator=draw)
    x[0] *= 100  # what one range for all is made for
    wanted = torch.nn.functional.linear(x, weight, bias)
    errors = []
    for per_token in (False, True):
        layer = onnx_graphs._Linear(*quantise(weight, onnx_graphs.MOST), bias, per_token)
        graph = onnx_graphs._trace(onnx_graphs._Head(layer), (x,), 1)
        (tmp_path / "layer.onnx").write_bytes(graph.SerializeToString())
        found = onnx_graphs.Graph(tmp_path / "layer.onnx")(x)
        errors.append((found - wanted)[1:].abs().max().item())
    assert errors[1] < 0.25 < errors[0]


def test_an_encoder_decoder_is_refused(probe: Any, tmp_path: Path) -> None:
    if not probe.network.config.is_encoder_decoder:
        pytest.skip("has a graph")
    with pytest.raises(StageError, match="take `onnx` out of its methods"):
        compressed(probe, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
def test_a_tied_table_cannot_be_kept(tiny: Path, tmp_path: Path, name: str) -> None:
    model = causal.Model.load(tiny / "generator", tasks.load("generation"))
    with pytest.raises(StageError, match="take it out of keep"):
        compressed(model, tmp_path / "onnx", keep=[name])
    assert not list((tmp_path / "onnx").iterdir())
