"""pruned: the result is an ordinary, smaller network, fine-tuned on the training rows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tandem.compression import CompressionContext, pruned
from tandem.compression.common import blocks, pruning
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.core.training_params import TrainingParams

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
RECOVERY = TrainingParams(
    max_steps=4,
    eval_steps=2,
    early_stopping_patience=4,
    batch_size=8,
    learning_rate=1e-3,
    max_length=16,
)


def make_params(
    units: float = 0.5, blocks: float = 1.0, recovery: TrainingParams = RECOVERY
) -> pruned.Params:
    return pruned.Params(keep_ffn=units, keep_layers=blocks, rows=16, recovery=recovery)


def test_is_a_plain_smaller_model(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    before = probe.network.num_parameters()
    pruned.compress(
        CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params(blocks=0.6)
    )
    plain = probe.auto.from_pretrained(tmp_path).eval()
    assert plain.num_parameters() < before
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.allclose(probe.logits(plain, ids), probe.logits(probe.network, ids), atol=1e-5)
    sizes = {
        (len(stack), result.out.in_features)
        for _, stack in blocks.stacks(plain)
        for block in stack
        if (result := blocks.feed_forward(block))
    }
    expected = {"bert": {(2, 64)}, "llama": {(2, 64)}, "marian": {(2, 64), (1, 32)}}
    assert sizes == expected[plain.config.model_type]


def test_generates_with_a_cache(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    if not probe.network.can_generate():
        pytest.skip("a classifier")
    pruned.compress(
        CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params(blocks=0.6)
    )
    ids = torch.tensor([[5, 6, 7, 8]])
    options = {"max_new_tokens": 5, "do_sample": False}
    cached = probe.network.generate(ids, **options)
    assert torch.equal(cached, probe.network.generate(ids, use_cache=False, **options))


def test_idle_units_go_first(probe: Any, rows: list[Row]) -> None:
    """Units with zero outgoing weights have no effect, so removing them changes no output."""
    for _, stack in blocks.stacks(probe.network):
        for block in stack:
            out = blocks.feed_forward(block).out  # type: ignore[union-attr]
            out.weight.data[:, 1::2] = 0
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = probe.logits(probe.network, ids)
    pruning.drop_units(probe, probe.encode(rows), 0.5, 8)
    with torch.no_grad():
        after = probe.logits(probe.network, ids)
    assert torch.allclose(before, after, atol=1e-5)


def test_idle_blocks_go_first(probe: Any, rows: list[Row]) -> None:
    """A block whose output equals its input has no influence."""
    if probe.network.config.model_type != "llama":
        pytest.skip("its blocks normalize their output")
    stack = probe.network.model.layers
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        nn.init.zeros_(stack[1].get_submodule(name).weight)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = probe.logits(probe.network, ids)
        pruning.drop_blocks(probe, probe.encode(rows), 0.67, 8)
        after = probe.logits(probe.network, ids)
    assert len(probe.network.model.layers) == probe.network.config.num_hidden_layers == 2
    assert torch.allclose(before, after, atol=1e-5)


def test_idle_heads_go_first(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    """Heads with zero outgoing weights have no effect, so removing them changes no output."""
    result = [
        attention
        for _, stack in blocks.stacks(probe.network)
        for block in stack
        for attention in blocks.attentions(block)
    ]
    assert (
        len(result) == {"bert": 3, "llama": 3, "marian": 3 + 2 * 2}[probe.network.config.model_type]
    )
    for attention in result:
        group = attention.shared * attention.width
        attention.out.weight.data[:, :group] = 0
    heads = result[0].groups * result[0].shared
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = probe.logits(probe.network, ids)
    fraction = 1 - 1 / result[0].groups
    plain = pruning.drop_heads(probe, probe.encode(rows), fraction, 8)
    with torch.no_grad():
        after = probe.logits(probe.network, ids)
    assert torch.allclose(before, after, atol=1e-5)
    assert plain == (probe.network.config.model_type == "llama")
    if plain:
        config = probe.network.config
        assert (config.num_attention_heads, config.num_key_value_heads) == (heads // 2, 1)


def test_fewer_heads_are_restored(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    """The number of heads comes from the config if possible, otherwise from the weights' shapes."""
    before = probe.network.num_parameters()
    params = make_params(1.0).model_copy(update={"keep_heads": 0.5})
    pruned.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), params)
    restored = type(probe).load(tmp_path, probe.task).network
    assert restored.num_parameters() == probe.network.num_parameters() < before
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        assert torch.allclose(
            probe.logits(restored, ids), probe.logits(probe.network, ids), atol=1e-5
        )
    if probe.network.config.model_type == "llama":
        assert probe.auto.from_pretrained(tmp_path).num_parameters() == restored.num_parameters()
    else:
        with pytest.raises(RuntimeError, match="mismatched"):
            probe.auto.from_pretrained(tmp_path)
    if restored.can_generate():
        options = {"max_new_tokens": 5, "do_sample": False}
        cached = restored.generate(ids, **options)
        assert torch.equal(cached, restored.generate(ids, use_cache=False, **options))


def test_recovery_lowers_the_loss(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    batch = probe.collate()(probe.encode(rows))

    def loss() -> float:
        with torch.inference_mode():
            return float(probe.loss(probe.network, batch, 0.0))

    pruning.drop_units(probe, probe.encode(rows), 0.5, 8)
    pruned_loss = loss()
    recovery = RECOVERY.model_copy(update={"max_steps": 20, "eval_steps": 5, "dropout": 0.0})
    pruned.compress(
        CompressionContext(probe, rows, rows, RUNTIME, tmp_path),
        make_params(units=1.0, recovery=recovery),
    )
    assert loss() < pruned_loss


def test_keeping_everything_changes_nothing(probe: Any, rows: list[Row]) -> None:
    before = {name: p.clone() for name, p in probe.network.named_parameters()}
    pruning.drop_blocks(probe, probe.encode(rows), 1.0, 8)
    pruning.drop_units(probe, probe.encode(rows), 1.0, 8)
    assert all(torch.equal(p, before[name]) for name, p in probe.network.named_parameters())


def test_an_unknown_architecture_is_reported(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    probe.network = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(StageError, match="pruning does not support"):
        pruned.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params())
