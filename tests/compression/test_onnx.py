"""onnx: the graphs' predictions are close to the network's, and no graph contains a local path."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tandem.compression import CompressionContext, onnx
from tandem.compression.common import onnx_graphs
from tandem.compression.common.int8_layers import quantize
from tandem.compression.common.params import SmoothingParams
from tandem.core import task as tasks
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.modeling.families import causal
from tandem.modeling.weight_stats import weight_stats

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def compress_and_load(model: Any, folder: Path, rows: Sequence[Row] = (), **params: Any) -> Any:
    folder.mkdir(exist_ok=True)
    context = CompressionContext(copy.deepcopy(model), rows, [], RUNTIME, folder)
    onnx.compress(context, onnx.Params(**params))
    return type(model).load(folder, model.task)


def require_encoder(probe: Any) -> Any:
    if probe.network.config.model_type != "bert":
        pytest.skip("one encoder is enough")
    return probe


@pytest.mark.slow
def test_an_encoder_predicts_like_its_base(probe: Any, tmp_path: Path) -> None:
    require_encoder(probe).save(tmp_path / "base")
    small = compress_and_load(probe, tmp_path / "all").network
    stream = torch.Generator().manual_seed(0)
    ids = torch.randint(2, 390, (5, 11), generator=stream)
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    with torch.inference_mode():
        before = probe.network(input_ids=ids, attention_mask=mask).logits
        after = small(input_ids=ids, attention_mask=mask).logits
        alone = small(input_ids=ids[:1, :4]).logits
    assert 0 < (after - before).abs().max() < 0.05 * before.abs().max()
    assert torch.allclose(alone, after[:1], atol=0.02 * float(before.abs().max()))

    compress_and_load(probe, tmp_path / "kept", skip_modules=["query", "word_embeddings"])
    sizes = [weight_stats(tmp_path / name) for name in ("base", "all", "kept")]
    base, whole, skipped = sizes
    assert base["size_bytes"] > 2.5 * whole["size_bytes"]
    assert whole["size_bytes"] + 3 * 400 * 64 < skipped["size_bytes"]
    assert base["parameters"] <= whole["parameters"] < 1.3 * base["parameters"]
    assert whole["weights_sha256"] != skipped["weights_sha256"]
    for path in (tmp_path / "all").iterdir():
        content = path.read_bytes()
        assert str(Path(onnx.__file__).parents[3]).encode() not in content
        assert str(tmp_path).encode() not in content
        assert b"site-packages" not in content


@pytest.mark.slow
def test_a_generator_is_scored_in_two_graphs(tiny: Path, tmp_path: Path, rows: list[Row]) -> None:
    model = causal.Model.load(tiny / "generator", tasks.load("generation"))
    vocabulary, width = model.network.get_input_embeddings().weight.shape
    before = total_bits(model, rows)
    smoothing = SmoothingParams(alpha=0.5, rows=4)
    small = compress_and_load(model, tmp_path / "onnx", rows, per_token=True, smoothing=smoothing)
    assert total_bits(small, rows) == pytest.approx(before, rel=0.005)
    assert total_bits(small, rows) != before
    result, base = (weight_stats(f) for f in (tmp_path / "onnx", tiny / "generator"))
    table = (tmp_path / "onnx" / onnx_graphs.SHARED).stat().st_size
    assert table == vocabulary * width
    # together, the two graphs contain the network's parameters and the scales
    assert base["parameters"] <= result["parameters"] < 1.3 * base["parameters"]
    (tmp_path / "onnx" / onnx_graphs.SHARED).write_bytes(bytes(table))
    assert total_bits(type(model).load(tmp_path / "onnx", model.task), rows) != total_bits(
        small, rows
    )
    assert weight_stats(tmp_path / "onnx")["weights_sha256"] != result["weights_sha256"]


def total_bits(model: Any, rows: list[Row]) -> float:
    return float(sum(answer["bits"] for answer in model.predict(rows, 4)))


def test_per_token_ranges_are_closer_to_fp32(tmp_path: Path) -> None:
    stream = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(24, 48, generator=stream), torch.randn(24, generator=stream)
    x = torch.randn(6, 48, generator=stream)
    x[0] *= 100  # if all tokens share one range, this row determines it
    expected = torch.nn.functional.linear(x, weight, bias)
    errors = []
    for per_token in (False, True):
        layer = onnx_graphs._Linear(*quantize(weight, onnx_graphs.MAX_WEIGHT), bias, per_token)
        graph = onnx_graphs._trace(onnx_graphs._Head(layer), (x,), 1)
        (tmp_path / "layer.onnx").write_bytes(graph.SerializeToString())
        result = onnx_graphs.Graph(tmp_path / "layer.onnx")(x)
        errors.append((result - expected)[1:].abs().max().item())
    assert errors[1] < 0.25 < errors[0]


def test_an_encoder_decoder_is_rejected(probe: Any, tmp_path: Path) -> None:
    if not probe.network.config.is_encoder_decoder:
        pytest.skip("has a graph")
    with pytest.raises(StageError, match="remove `onnx` from the methods"):
        compress_and_load(probe, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["embed_tokens", "lm_head"])
def test_a_tied_table_cannot_be_skipped(tiny: Path, tmp_path: Path, name: str) -> None:
    model = causal.Model.load(tiny / "generator", tasks.load("generation"))
    with pytest.raises(StageError, match="remove them from skip_modules"):
        compress_and_load(model, tmp_path / "onnx", skip_modules=[name])
    assert not list((tmp_path / "onnx").iterdir())
