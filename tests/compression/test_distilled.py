"""distilled: an ordinary, smaller network that learns to imitate its teacher."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tandem.compression import CompressionContext, distilled
from tandem.compression.common import blocks, recovery
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.core.training_params import TrainingParams

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
TRAINING = TrainingParams(
    max_steps=24,
    eval_steps=8,
    early_stopping_patience=4,
    batch_size=8,
    learning_rate=2e-3,
    max_length=16,
    dropout=0.0,
)


def make_params(
    distillation_weight: float = 1.0, training: TrainingParams = TRAINING
) -> distilled.Params:
    return distilled.Params(
        keep_layers=0.6, temperature=2.0, distillation_weight=distillation_weight, training=training
    )


def test_is_a_plain_smaller_model_that_learns_its_teachers_predictions(
    probe: Any, rows: list[Row], tmp_path: Path
) -> None:
    for weight in probe.network.parameters():
        # larger weights, so that predictions differ between rows and there is much to learn
        weight.data *= 6 if weight.ndim > 1 else 1
    teacher = copy.deepcopy(probe.network)
    batch = probe.collate()(probe.encode(rows))
    expected = probe.logits_of(teacher, batch)[0].detach()

    def distance(network: Any) -> float:
        with torch.inference_mode():
            return float(recovery.divergence(probe.logits_of(network, batch)[0], expected, 1.0))

    untrained = copy.deepcopy(teacher)
    for name, stack in list(blocks.stacks(untrained)):
        chosen = distilled.evenly_spaced(max(1, round(0.6 * len(stack))), len(stack))
        blocks.keep_blocks(untrained, name, chosen)
    distilled.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params())
    plain = probe.auto.from_pretrained(tmp_path).eval()
    assert plain.num_parameters() < teacher.num_parameters()
    assert distance(plain) < 0.5 * distance(untrained)


def test_the_teacher_does_not_change(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    teacher = probe.network
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    short = TRAINING.model_copy(update={"max_steps": 2, "eval_steps": 2})
    distilled.compress(
        CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params(0.5, short)
    )
    assert probe.network is not teacher
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_blocks_are_evenly_spaced_with_both_ends() -> None:
    assert distilled.evenly_spaced(6, 12) == [0, 2, 4, 7, 9, 11]
    assert distilled.evenly_spaced(1, 2) == [0]
    assert distilled.evenly_spaced(15, 30)[-1] == 29
    assert len(set(distilled.evenly_spaced(15, 30))) == 15


def test_divergence_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    other = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert float(recovery.divergence(logits, logits, 3.0)) == pytest.approx(0.0, abs=1e-6)
    p, q = (other / 3).softmax(1), (logits / 3).softmax(1)
    expected = 9 * (p * (p / q).log()).sum(1).mean()
    assert torch.allclose(recovery.divergence(logits, other, 3.0), expected)
    assert float(recovery.divergence(logits[:0], other[:0], 3.0)) == 0


def test_an_unknown_architecture_is_reported(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    probe.network = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(StageError, match="no blocks that can be removed"):
        distilled.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), make_params())
