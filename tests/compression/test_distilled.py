"""student: a plain smaller network that comes closer to its teacher."""

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
    max_steps=24, eval_steps=8, early_stopping_patience=4, batch_size=8, learning_rate=2e-3, max_length=16,
    dropout=0.0,
)  # fmt: skip


def settings(soft: float = 1.0, training: TrainingParams = TRAINING) -> distilled.Params:
    return distilled.Params(
        keep_layers=0.6, temperature=2.0, distillation_weight=soft, training=training
    )


def test_is_a_plain_smaller_model_that_learns_its_teachers_answers(
    probe: Any, rows: list[Row], tmp_path: Path
) -> None:
    for weight in probe.network.parameters():
        weight.data *= (
            6 if weight.ndim > 1 else 1
        )  # answers that differ, so that there is much to learn
    teacher = copy.deepcopy(probe.network)
    batch = probe.collate()(probe.encode(rows))
    wanted = probe.logits_of(teacher, batch)[0].detach()

    def distance(network: Any) -> float:
        with torch.inference_mode():
            return float(recovery.divergence(probe.logits_of(network, batch)[0], wanted, 1.0))

    untaught = copy.deepcopy(teacher)
    for name, stack in list(blocks.stacks(untaught)):
        chosen = distilled.spaced(max(1, round(0.6 * len(stack))), len(stack))
        blocks.keep_blocks(untaught, name, chosen)
    distilled.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), settings())
    plain = probe.auto.from_pretrained(tmp_path).eval()
    assert plain.num_parameters() < teacher.num_parameters()
    assert distance(plain) < 0.5 * distance(untaught)


def test_the_teacher_is_left_as_it_was(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    teacher = probe.network
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    short = TRAINING.model_copy(update={"max_steps": 2, "eval_steps": 2})
    distilled.compress(
        CompressionContext(probe, rows, rows, RUNTIME, tmp_path), settings(0.5, short)
    )
    assert probe.network is not teacher
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_blocks_are_spaced_with_both_ends() -> None:
    assert distilled.spaced(6, 12) == [0, 2, 4, 7, 9, 11]
    assert distilled.spaced(1, 2) == [0]
    assert distilled.spaced(15, 30)[-1] == 29
    assert len(set(distilled.spaced(15, 30))) == 15


def test_divergence_is_hintons() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]])
    other = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert float(recovery.divergence(logits, logits, 3.0)) == pytest.approx(0.0, abs=1e-6)
    p, q = (other / 3).softmax(1), (logits / 3).softmax(1)
    wanted = 9 * (p * (p / q).log()).sum(1).mean()
    assert torch.allclose(recovery.divergence(logits, other, 3.0), wanted)
    assert float(recovery.divergence(logits[:0], other[:0], 3.0)) == 0


def test_an_unknown_architecture_is_told(probe: Any, rows: list[Row], tmp_path: Path) -> None:
    probe.network = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(StageError, match="no block"):
        distilled.compress(CompressionContext(probe, rows, rows, RUNTIME, tmp_path), settings())
