"""int8: what is stored and restored; all instruction sets give the same results."""

import ctypes
import hashlib
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tandem.compression import CompressionContext, int8
from tandem.compression.common import int8_layers, stored_layers
from tandem.compression.common.params import PruningParams
from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.core.training_params import TrainingParams

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def compress_and_load(
    probe: Any, folder: Path, skip: list[str] | None = None, per_token: bool = False
) -> Any:
    context = CompressionContext(probe, [], [], RUNTIME, folder)
    int8.compress(context, int8.Params(skip_modules=skip or [], per_token=per_token))
    return type(probe).load(folder, probe.task).network


@pytest.mark.parametrize("per_token", [False, True])
def test_predicts_like_its_base(probe: Any, tmp_path: Path, per_token: bool) -> None:
    small = compress_and_load(probe, tmp_path, per_token=per_token)
    layers = [module for module in small.modules() if isinstance(module, int8_layers.Int8Linear)]
    assert {layer.per_token for layer in layers} == {per_token}
    ids = torch.randint(2, 390, (4, 11), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = probe.logits(probe.network, ids), probe.logits(small, ids)
    assert (after - before).abs().max() < 0.05 * before.abs().max()
    assert not torch.equal(after, before)


def test_is_four_times_smaller_and_stores_tied_weights_once(
    probe: Any, tmp_path: Path, rows: list[Row]
) -> None:
    probe.save(tmp_path / "base")
    compress_and_load(probe, tmp_path / "int8")
    whole, small = (
        sum(t.nbytes for t in load_file(tmp_path / part / stored_layers.WEIGHTS).values())
        for part in ("base", "int8")
    )
    # The factor 3.6 is for networks of width 64. In wider networks, the scales are a smaller share
    # of the file.
    assert whole > 3.6 * small
    tensors = load_file(tmp_path / "int8" / stored_layers.WEIGHTS)
    assert sum(t.numel() == 400 * 64 and t.dtype == torch.int8 for t in tensors.values()) == 1


def test_all_layers_are_quantized(probe: Any, tmp_path: Path) -> None:
    small = compress_and_load(probe, tmp_path)
    left = {type(m) for m in small.modules() if isinstance(m, nn.Linear | nn.Embedding)}
    assert {kind.__name__ for kind in left} <= {"MarianSinusoidalPositionalEmbedding"}
    assert any(isinstance(m, int8_layers.Int8Linear) for m in small.modules())
    assert any(isinstance(m, int8_layers.Int8Embedding) for m in small.modules())


def test_other_parameters_are_stored_in_fp16(probe: Any, tmp_path: Path) -> None:
    small = compress_and_load(probe, tmp_path)
    kinds = {tensor.dtype for tensor in load_file(tmp_path / stored_layers.WEIGHTS).values()}
    assert kinds == {torch.int8, torch.float16}
    assert {tensor.dtype for tensor in small.state_dict().values()} <= {torch.float32}


def test_skipped_layers_do_not_change(probe: Any, tmp_path: Path) -> None:
    ends = {"bert": "classifier", "llama": "down_proj", "marian": "fc2"}
    end = ends[probe.network.config.model_type]
    small = compress_and_load(probe, tmp_path, [end])
    skipped = {n: m for n, m in small.named_modules() if n.endswith(end)}
    assert skipped
    for name, module in skipped.items():
        whole = probe.network.get_submodule(name)
        assert torch.equal(module.weight, whole.weight)
        assert whole.bias is None or torch.equal(module.bias, whole.bias)


def test_prunes_before_quantization(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    before = probe.network.num_parameters()
    recovery = TrainingParams(
        max_steps=4,
        eval_steps=2,
        early_stopping_patience=2,
        batch_size=8,
        learning_rate=1e-3,
        max_length=16,
    )
    pruning = PruningParams(
        keep_ffn=0.5, keep_layers=0.6, rows=16, distillation_weight=0.5, recovery=recovery
    )
    params = int8.Params(per_token=False, pruned=pruning)
    int8.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), params)
    assert probe.network.num_parameters() < before  # `probe` is now the pruned model
    small = type(probe).load(tmp_path, probe.task).network
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        expected, result = probe.logits(probe.network, ids), probe.logits(small, ids)
    assert (result - expected).abs().max() < 0.05 * expected.abs().max()


def test_generates(probe: Any, tmp_path: Path) -> None:
    small = compress_and_load(probe, tmp_path)
    if not small.can_generate():
        pytest.skip("a classifier")
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": 2}
    expected = probe.network.generate(ids, **options)
    assert torch.equal(small.generate(ids, **options), expected)
    assert small.generation_config.to_dict() == probe.network.generation_config.to_dict()


def test_searches_with_num_beams(probe: Any, tmp_path: Path) -> None:
    params = int8.Params(per_token=False, num_beams=1)
    context = CompressionContext(probe, [], [], RUNTIME, tmp_path)
    if not probe.network.can_generate():
        with pytest.raises(StageError, match=r"num_beams must be null, because \w+ does not"):
            int8.compress(context, params)
        return
    probe.network.generation_config.update(num_beams=3, length_penalty=0.7)
    int8.compress(context, params)
    small = type(probe).load(tmp_path, probe.task).network
    assert small.generation_config.num_beams == 1
    ids = torch.tensor([[5, 6, 7, 8]])
    options = {"max_new_tokens": 5, "do_sample": False}
    expected = probe.network.generate(ids, **options, num_beams=1)
    assert torch.equal(small.generate(ids, **options), expected)


def test_plain_transformers_rejects_the_folder(probe: Any, tmp_path: Path) -> None:
    compress_and_load(probe, tmp_path)
    assert io.read_json(tmp_path / paths.METHOD) == {"method": "int8", "per_token": False}
    with pytest.raises(RuntimeError, match="mismatched"):
        probe.auto.from_pretrained(tmp_path)


def test_same_bytes_again(probe: Any, tmp_path: Path) -> None:
    compress_and_load(probe, tmp_path / "a")
    compress_and_load(probe, tmp_path / "b")
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "b").iterdir())
    assert all(
        (tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names
    )


def test_gives_no_warnings(probe: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compress_and_load(probe, tmp_path)


def test_quantization_error_is_at_most_half_a_step() -> None:
    weight = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    weight[7] = 0
    integers, scale = int8_layers.quantize(weight)
    assert torch.equal(scale, scale.half().float())
    assert integers.dtype == torch.int8
    assert integers.abs().max() == 127
    error = (weight - integers * scale[:, None]).abs()
    assert (error <= scale[:, None] * 0.501).all()
    assert not integers[7].any()


def test_the_largest_sums_do_not_overflow() -> None:
    """Products are at their maximum: with 8-bit activations, AVX2's 16-bit sums would saturate."""
    weight = torch.full((16, 512), 127, dtype=torch.int8)
    layer = int8_layers.Int8Linear(weight, torch.ones(16), None)
    x = torch.ones(2, 512)
    assert torch.allclose(layer(x), torch.full((2, 16), 127.0 * 512), rtol=0.01)


def test_per_token_ranges_protect_tokens_from_an_outlier() -> None:
    stream = torch.Generator().manual_seed(0)
    weight, scale = int8_layers.quantize(torch.randn(24, 48, generator=stream))
    bias = torch.randn(24, generator=stream)
    x = torch.randn(10, 48, generator=stream)
    x[0] *= 1000
    expected = x @ (weight * scale[:, None]).T + bias
    errors = [
        (int8_layers.Int8Linear(weight, scale, bias, per_token)(x) - expected)[1:].abs().max()
        for per_token in (False, True)
    ]
    assert errors[1] < 0.5 < 10 * errors[1] < errors[0]


def digest_of_layers() -> str:
    stream = torch.Generator().manual_seed(0)
    digest = hashlib.sha256()
    for width, units, count in ((384, 1536, 70), (33, 17, 5), (1536, 384, 1)):
        weight, scale = int8_layers.quantize(torch.randn(units, width, generator=stream))
        layer = int8_layers.Int8Linear(weight, scale, torch.ones(units))
        digest.update(layer(4 * torch.randn(count, width, generator=stream)).numpy().tobytes())
    return digest.hexdigest()


def test_avx2_and_avx512_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """fbgemm chooses kernels to suit the CPU; the test forces each choice (enum `inst_set_t`)."""
    library = ctypes.CDLL(str(Path(torch.__path__[0]) / "lib/libtorch_cpu.so"))
    set_isa = getattr(library, "_ZN6fbgemm14fbgemmForceIsaENS_10inst_set_tE", None)
    get_isa = getattr(library, "_ZN6fbgemm20fbgemmInstructionSetEv", None)
    if set_isa is None or get_isa is None:
        pytest.skip("a torch without fbgemm")
    monkeypatch.setattr(torch.backends.quantized, "engine", "fbgemm")
    machine = get_isa()
    digests = {digest_of_layers()}
    try:
        for isa in range(1, machine + 1):  # AVX2, then the supported variants of AVX-512
            set_isa(isa)
            digests.add(digest_of_layers())
    finally:
        set_isa(machine)
    assert len(digests) == 1
