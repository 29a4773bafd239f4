"""onnx: graphs that answer as the network does, of the same bytes each time."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tandem.compression import Given, onnx
from tandem.core import task as tasks
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.records import Row
from tandem.modeling import causal
from tandem.stages import evaluate

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def compressed(model: Any, folder: Path, keep: list[str] | None = None) -> Any:
    folder.mkdir(exist_ok=True)
    onnx.compress(Given(model, [], [], RUNTIME, folder), onnx.Params(keep=keep or []))
    return type(model).load(folder, model.task)


def bare(probe: Any) -> Any:
    if probe.network.config.model_type != "bert":
        pytest.skip("one encoder is enough")
    return probe


def test_an_encoder_answers_like_its_base(probe: Any, tmp_path: Path) -> None:
    small = compressed(bare(probe), tmp_path).network
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


def test_the_same_bytes_each_time_and_nothing_of_the_machine(probe: Any, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        compressed(bare(probe), folder, ["classifier"])
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second, name
        assert str(Path(onnx.__file__).parents[3]).encode() not in first
        assert str(tmp_path).encode() not in first
        assert b"site-packages" not in first


def test_a_generator_is_scored_in_two_graphs(tiny: Path, tmp_path: Path, rows: list[Row]) -> None:
    model = causal.Model.load(tiny / "generator", tasks.load("generation"))
    small = compressed(model, tmp_path / "onnx")
    assert (tmp_path / "onnx" / onnx.HEAD).exists()
    before, after = (
        sum(answer["bits"] for answer in each.predict(rows, 4)) for each in (model, small)
    )
    assert after == pytest.approx(before, rel=0.02)
    assert after != before


def test_weights_are_counted_and_smaller(probe: Any, tmp_path: Path) -> None:
    bare(probe).save(tmp_path / "base")
    for name, keep in (("all", []), ("kept", ["query", "word_embeddings"])):
        compressed(probe, tmp_path / name, keep)
    base, small, kept = (evaluate.weights(tmp_path / name) for name in ("base", "all", "kept"))
    assert base["size_bytes"] > 2.5 * small["size_bytes"]
    assert small["size_bytes"] + 3 * 400 * 64 < kept["size_bytes"]
    assert base["parameters"] <= small["parameters"] < 1.3 * base["parameters"]
    assert small["weights_sha256"] != kept["weights_sha256"]


def test_an_encoder_decoder_is_refused(probe: Any, tmp_path: Path) -> None:
    if not probe.network.config.is_encoder_decoder:
        pytest.skip("has a graph")
    with pytest.raises(StageError, match="take `onnx` out of its methods"):
        compressed(probe, tmp_path)
    assert not list(tmp_path.iterdir())
