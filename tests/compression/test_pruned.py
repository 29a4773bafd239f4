"""pruned: a plain smaller network of each architecture, judged on rows, healed by a fit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tandem.compression import Given, pruned
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.records import Row
from tandem.modeling import Training

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
HEALING = Training(
    steps=4, evaluate_every=2, patience=4, batch_size=8, learning_rate=1e-3, max_length=16
)


def settings(units: float = 0.5, blocks: float = 1.0, healing: Training = HEALING) -> pruned.Params:
    return pruned.Params(units=units, blocks=blocks, rows=16, healing=healing)


def test_is_a_plain_smaller_model(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    before = probe.network.num_parameters()
    pruned.compress(Given(probe, rows, rows, RUNTIME, tmp_path), settings(blocks=0.6))
    plain = probe.auto.from_pretrained(tmp_path).eval()
    assert plain.num_parameters() < before
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.allclose(probe.logits(plain, ids), probe.logits(probe.network, ids), atol=1e-5)
    sizes = {
        (len(stack), found.out.in_features)
        for _, stack in pruned.stacks(plain)
        for block in stack
        if (found := pruned.feed_forward(block))
    }
    wanted = {"bert": {(2, 64)}, "llama": {(2, 64)}, "marian": {(2, 64), (1, 32)}}
    assert sizes == wanted[plain.config.model_type]


def test_generates_with_a_cache(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    if not probe.network.can_generate():
        pytest.skip("a classifier")
    pruned.compress(Given(probe, rows, rows, RUNTIME, tmp_path), settings(blocks=0.6))
    ids = torch.tensor([[5, 6, 7, 8]])
    asked = {"max_new_tokens": 5, "do_sample": False}
    cached = probe.network.generate(ids, **asked)
    assert torch.equal(cached, probe.network.generate(ids, use_cache=False, **asked))


def test_idle_units_go_first(probe: Any, rows: list[Row]) -> None:
    """Units whose way out is zero change nothing: taking them out changes no answer."""
    for _, stack in pruned.stacks(probe.network):
        for block in stack:
            out = pruned.feed_forward(block).out  # type: ignore[union-attr]
            out.weight.data[:, 1::2] = 0
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = probe.logits(probe.network, ids)
    pruned.drop_units(probe, probe.encode(rows), 0.5, 8)
    with torch.no_grad():
        after = probe.logits(probe.network, ids)
    assert torch.allclose(before, after, atol=1e-5)


def test_idle_blocks_go_first(probe: Any, rows: list[Row]) -> None:
    """A block that hands through what it is given has no influence."""
    if probe.network.config.model_type != "llama":
        pytest.skip("its blocks normalise what they hand through")
    stack = probe.network.model.layers
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        nn.init.zeros_(stack[1].get_submodule(name).weight)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = probe.logits(probe.network, ids)
        pruned.drop_blocks(probe, probe.encode(rows), 0.67, 8)
        after = probe.logits(probe.network, ids)
    assert len(probe.network.model.layers) == probe.network.config.num_hidden_layers == 2
    assert torch.allclose(before, after, atol=1e-5)


def test_healing_lowers_the_loss(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    batch = probe.collate()(probe.encode(rows))

    def loss() -> float:
        with torch.inference_mode():
            return float(probe.loss(probe.network, batch, 0.0))

    pruned.drop_units(probe, probe.encode(rows), 0.5, 8)
    wounded = loss()
    healing = HEALING.model_copy(update={"steps": 20, "evaluate_every": 5, "dropout": 0.0})
    pruned.compress(
        Given(probe, rows, rows, RUNTIME, tmp_path), settings(units=1.0, healing=healing)
    )
    assert loss() < wounded


def test_everything_kept_is_nothing_changed(probe: Any, rows: list[Row]) -> None:
    before = {name: p.clone() for name, p in probe.network.named_parameters()}
    pruned.drop_blocks(probe, probe.encode(rows), 1.0, 8)
    pruned.drop_units(probe, probe.encode(rows), 1.0, 8)
    assert all(torch.equal(p, before[name]) for name, p in probe.network.named_parameters())


def test_an_unknown_architecture_is_told(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    probe.network = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(StageError, match="no block"):
        pruned.compress(Given(probe, rows, rows, RUNTIME, tmp_path), settings())
