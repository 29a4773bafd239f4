"""magnitude: the smallest weights become zero, stay zero, and are not stored."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tandem.compression import CompressionContext, magnitude
from tandem.compression.common import sparse_weights, stored_layers
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.core.training_params import TrainingParams

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
RECOVERY = TrainingParams(
    max_steps=6,
    eval_steps=3,
    early_stopping_patience=4,
    batch_size=8,
    learning_rate=1e-3,
    max_length=16,
)


def make_params(fraction: float = 0.5, scope: Any = "layer", **changes: Any) -> magnitude.Params:
    return magnitude.Params(keep_weights=fraction, scope=scope, **{"recovery": None, **changes})


def weights(network: Any) -> list[torch.Tensor]:
    layers: list[Any] = [layer for _, layer in stored_layers.layers(network)]
    result = {id(layer.weight): layer.weight for layer in layers if layer.weight.requires_grad}
    return [weight.detach() for weight in result.values()]


def test_the_restored_network_is_the_pruned_one(probe: Any, tmp_path: Path) -> None:
    magnitude.compress(CompressionContext(probe, [], [], RUNTIME, tmp_path), make_params())
    restored = type(probe).load(tmp_path, probe.task).network
    ids = torch.randint(2, 390, (4, 11), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(probe.logits(restored, ids), probe.logits(probe.network, ids))


def test_half_the_weights_are_about_half_the_size(probe: Any, tmp_path: Path) -> None:
    probe.save(tmp_path / "base")
    magnitude.compress(CompressionContext(probe, [], [], RUNTIME, tmp_path / "half"), make_params())
    whole, half = (
        sum(t.nbytes for t in load_file(tmp_path / part / stored_layers.WEIGHTS).values())
        for part in ("base", "half")
    )
    assert half < 0.57 * whole


def test_zeros_stay_zero_in_recovery(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    sparse_weights.prune(probe.network, 0.3, "layer", [])
    before = [weight.clone() for weight in weights(probe.network)]
    recovery = RECOVERY.model_copy(update={"weight_decay": 0.1})
    context = CompressionContext(probe, rows, rows, RUNTIME, tmp_path)
    magnitude.compress(context, make_params(0.3, recovery=recovery))
    after = weights(probe.network)
    for old, new in zip(before, after, strict=True):
        assert not new[old == 0].any()
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_each_layer_or_the_network_keeps_its_fraction(probe: Any) -> None:
    sparse_weights.prune(probe.network, 0.6, "layer", [])
    for weight in weights(probe.network):
        assert float((weight != 0).float().mean()) == pytest.approx(0.6, abs=0.02)
    for weight in weights(probe.network)[::2]:
        weight *= 10
    sparse_weights.prune(probe.network, 0.4, "network", [])
    result = weights(probe.network)
    fractions = torch.tensor([float((weight != 0).float().mean()) for weight in result])
    numbers = torch.tensor([weight.numel() for weight in result])
    assert float((fractions * numbers).sum() / numbers.sum()) == pytest.approx(0.4, abs=0.01)
    assert fractions[0] > fractions[1] + 0.1


def test_skipped_layers_are_not_pruned(probe: Any) -> None:
    name = next(name for name, _ in stored_layers.layers(probe.network))
    before = probe.network.get_submodule(name).weight.detach().clone()
    sparse_weights.prune(probe.network, 0.5, "layer", [name, "lm_head"])
    assert torch.equal(probe.network.get_submodule(name).weight, before)


def test_only_nonzero_weights_are_stored() -> None:
    weight = torch.tensor([[0.0, 1.5, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    parts = sparse_weights.store(weight)
    assert parts[""].tolist() == [1.5, -2.0, 3.0]
    assert parts["_mask"].tolist() == [0b01010000, 0b10000000]
    assert torch.equal(sparse_weights.dense(parts, weight.shape), weight)
