"""grouped: what is stored and restored, and how close the outputs are to the base model's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tandem.compression import CompressionContext, grouped
from tandem.compression.common import grouped_layers, stored_layers
from tandem.core.params import Runtime

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def compress_and_load(probe: Any, folder: Path, bits: Any, **changes: Any) -> Any:
    params = grouped.Params(bits=bits, group_size=16, **changes)
    grouped.compress(CompressionContext(probe, [], [], RUNTIME, folder), params)
    return type(probe).load(folder, probe.task).network


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.02), (4, 0.25)])
def test_predicts_like_its_base(probe: Any, tmp_path: Path, bits: int, tolerance: float) -> None:
    small = compress_and_load(probe, tmp_path, bits)
    assert any(isinstance(module, grouped_layers.GroupedLinear) for module in small.modules())
    ids = torch.randint(2, 390, (4, 11), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before, after = probe.logits(probe.network, ids), probe.logits(small, ids)
    assert 0 < (after - before).norm() < tolerance * before.norm()


def test_activations_stay_fp32(probe: Any, tmp_path: Path) -> None:
    """A layer multiplies its input by the stored matrix, without rounding the activations."""
    small = compress_and_load(probe, tmp_path, 4)
    layer = next(m for m in small.modules() if isinstance(m, grouped_layers.GroupedLinear))
    matrix = layer.matrix.all()
    x = torch.randn(3, matrix.shape[1], generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(x), torch.nn.functional.linear(x, matrix, layer.bias))


@pytest.mark.parametrize(("bits", "times"), [(8, 3.2), (4, 5.0)])
def test_is_smaller_and_stores_tied_weights_once(
    probe: Any, tmp_path: Path, bits: int, times: float
) -> None:
    probe.save(tmp_path / "base")
    compress_and_load(probe, tmp_path / "small", bits)
    names = [tmp_path / part / stored_layers.WEIGHTS for part in ("base", "small")]
    whole, small = (sum(t.nbytes for t in load_file(name).values()) for name in names)
    assert whole > times * small
    tensors = load_file(names[1])
    assert sum(t.numel() == 400 * 64 * bits // 8 for t in tensors.values()) == 1


def test_skipped_layers_do_not_change(probe: Any, tmp_path: Path) -> None:
    end = {"bert": "classifier", "llama": "down_proj", "marian": "fc2"}[
        probe.network.config.model_type
    ]
    small = compress_and_load(probe, tmp_path, 4, skip_modules=[end])
    skipped = {name: m for name, m in small.named_modules() if name.endswith(end)}
    assert skipped
    for name, module in skipped.items():
        assert torch.equal(module.weight, probe.network.get_submodule(name).weight)


@pytest.mark.parametrize("columns", [6, 7, 40])
def test_packing_four_bits_is_reversible(columns: int) -> None:
    stream = torch.Generator().manual_seed(0)
    integers = torch.randint(-7, 8, (5, columns), generator=stream, dtype=torch.int8)
    packed = grouped_layers.pack(integers)
    assert (packed.dtype, packed.shape) == (torch.uint8, (5, -(-columns // 2)))
    assert torch.equal(grouped_layers.unpack(packed, columns), integers)


@pytest.mark.parametrize("bits", [8, 4])
def test_quantization_error_is_at_most_half_a_step_of_the_group(bits: int) -> None:
    weight = torch.randn(9, 37, generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    weight[5, 0] = 50.0  # this outlier affects only its own group
    integers, scale = grouped_layers.quantize(weight, bits, 8)
    assert integers.shape == weight.shape
    assert scale.shape == (9, 5)
    step = scale.float().repeat_interleave(8, dim=1)[:, :37]
    assert ((weight - integers * step).abs() <= 0.51 * step).all()
    assert not integers[3].any()
    assert scale[5, 1] < 1 < scale[5, 0] * 127
