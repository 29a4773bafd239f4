"""Each option of `fit`, tested with a small, randomly initialized network of two layers."""

import csv
import gc
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
)

from tandem.core.errors import ParamsError, StageError
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.modeling.training.artifacts import write_history
from tandem.modeling.training.freezing import freeze, set_dropout
from tandem.modeling.training.length_sampler import LengthGroupedSampler
from tandem.modeling.training.trainer import fit

gc.freeze()  # without this, garbage collection takes half a second each time a Trainer starts

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
TRAINING: dict[str, Any] = {
    "max_steps": 12,
    "eval_steps": 4,
    "early_stopping_patience": 9,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "max_length": 16,
    "dropout": 0.0,
    "weight_decay": 0.0,
}


def network(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=40,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            num_labels=2,
        )
    )


def examples(count: int, seed: int) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    rows = [[draw.randrange(1, 40) for _ in range(draw.randrange(3, 12))] for _ in range(count)]
    return [{"input_ids": ids, "labels": int(ids[0] < 20)} for ids in rows]


def collate(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
    width = max(len(e["input_ids"]) for e in batch)
    ids = torch.tensor([e["input_ids"] + [0] * (width - len(e["input_ids"])) for e in batch])
    return {
        "input_ids": ids,
        "attention_mask": ids.ne(0).long(),
        "labels": torch.tensor([e["labels"] for e in batch]),
    }


def cross_entropy(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
    labels = batch["labels"]
    logits = net(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing)


def train_network(
    loss: Callable[..., Tensor] = cross_entropy, runtime: Runtime = RUNTIME, **changes: Any
) -> tuple[Any, list[dict[str, float]]]:
    net = network()
    training = TrainingParams(**(TRAINING | changes))
    history = fit(net, loss, examples(96, 1), examples(32, 2), collate, training, runtime)
    return net, history


def weights(net: Any) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in net.named_parameters() if p.ndim > 1}


def sum_of_weights(net: Any) -> float:
    return sum(float(w.abs().sum()) for w in weights(net).values())


@pytest.fixture(scope="module")
def plain() -> tuple[Any, list[dict[str, float]]]:
    return train_network()


def test_learns_and_evaluates_at_each_multiple_of_eval_steps(
    plain: tuple[Any, list[dict[str, float]]],
) -> None:
    _, history = train_network(max_steps=60, eval_steps=25, learning_rate=3e-3)
    assert [entry["step"] for entry in history] == [25, 50, 60]
    assert history[-1]["train_loss"] < 0.1 < 0.4 < history[0]["train_loss"]
    assert history[-1]["validation_loss"] < 0.4
    assert [entry["step"] for entry in plain[1]] == [4, 8, 12]


def test_training_is_reproducible_bit_by_bit(plain: tuple[Any, list[dict[str, float]]]) -> None:
    torch.rand(5)  # random numbers drawn before training must not change the result
    again, history = train_network()
    assert history == plain[1]
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), plain[0].parameters(), strict=True)
    )


def test_l1_shrinks_the_weights(plain: tuple[Any, list[dict[str, float]]]) -> None:
    assert sum_of_weights(train_network(l1=0.01)[0]) < 0.99 * sum_of_weights(plain[0])


def test_weight_decay_shrinks_the_weights(plain: tuple[Any, list[dict[str, float]]]) -> None:
    assert sum_of_weights(train_network(weight_decay=5.0)[0]) < 0.99 * sum_of_weights(plain[0])


def test_l1_is_not_part_of_the_validation_loss() -> None:
    _, history = train_network(l1=1.0, max_steps=1, eval_steps=1)
    assert history[0]["validation_loss"] < 1 < history[0]["train_loss"]


@pytest.mark.parametrize("optimizer", ["adafactor", "sgd"])
def test_another_optimizer_gives_other_weights_and_learns(
    optimizer: str, plain: tuple[Any, list[dict[str, float]]]
) -> None:
    net, history = train_network(
        optimizer=optimizer, learning_rate=3e-3 if optimizer != "sgd" else 0.5
    )
    assert not torch.equal(net.classifier.weight, plain[0].classifier.weight)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]


def test_bf16_gives_other_bits_and_weights_in_fp32(
    plain: tuple[Any, list[dict[str, float]]],
) -> None:
    seen: set[torch.dtype] = set()

    def watched(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        inner = net.bert.pooler.dense(net.bert.embeddings.word_embeddings.weight[:1])
        seen.add(inner.dtype)
        return cross_entropy(net, batch, smoothing)

    net, history = train_network(watched, runtime=RUNTIME.model_copy(update={"precision": "bf16"}))
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not torch.equal(net.classifier.weight, plain[0].classifier.weight)
    assert history[-1]["validation_loss"] == pytest.approx(
        plain[1][-1]["validation_loss"], abs=0.02
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_without_a_gpu_is_reported() -> None:
    with pytest.raises(ParamsError, match="fp16, which needs a GPU"):
        train_network(runtime=RUNTIME.model_copy(update={"device": "auto", "precision": "fp16"}))


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, Tensor]]:
    """The gradients at each optimizer step; a parameter's key is its number of elements."""
    seen: list[dict[int, Tensor]] = []
    original = torch.optim.AdamW.step

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        parameters = [p for group in self.param_groups for p in group["params"]]
        gradients_by_size = [p for p in parameters if p.grad is not None]
        seen.append({p.numel(): p.grad.clone() for p in gradients_by_size})
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return seen


def on_bias(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
    """A loss whose gradient is 3 for both biases of the head, for any batch."""
    result: Tensor = net.classifier.bias.sum() * 3
    return result


def test_max_grad_norm_bounds_the_gradient(gradients: list[dict[int, Tensor]]) -> None:
    train_network(on_bias, max_grad_norm=0.5, max_steps=2)
    assert [float(gradients_by_size[2].norm()) for gradients_by_size in gradients] == pytest.approx(
        [0.5, 0.5], rel=1e-4
    )


def test_accumulated_gradients_are_averaged(gradients: list[dict[int, Tensor]]) -> None:
    train_network(on_bias, gradient_accumulation_steps=4, max_steps=2, max_grad_norm=100.0)
    assert [gradients_by_size[2].tolist() for gradients_by_size in gradients] == [
        pytest.approx([3.0, 3.0])
    ] * 2


def test_accumulation_uses_more_rows_per_step() -> None:
    seen: list[int] = []

    def counted(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        seen.extend([len(batch["labels"])] * net.training)
        return cross_entropy(net, batch, smoothing)

    train_network(counted, gradient_accumulation_steps=3, max_steps=2)
    assert seen == [8] * 6


def test_smoothing_applies_in_training_only() -> None:
    seen: set[tuple[bool, float]] = set()

    def watched(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        seen.add((net.training, smoothing))
        return cross_entropy(net, batch, smoothing)

    train_network(watched, label_smoothing=0.2)
    assert seen == {(True, 0.2), (False, 0.0)}


def test_dropout_is_set_everywhere() -> None:
    net, _ = train_network(dropout=0.3)
    assert {m.p for m in net.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    assert net.config.hidden_dropout_prob == net.config.attention_probs_dropout_prob == 0.3


def test_dropout_as_plain_numbers_too() -> None:
    marian = MarianMTModel(
        MarianConfig(vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, pad_token_id=0)
    )
    set_dropout(marian, 0.25)
    numbers = {
        value
        for module in marian.modules()
        for name, value in vars(module).items()
        if "dropout" in name
    }
    assert numbers == {0.25}


@pytest.mark.parametrize("last", [1, 2, 3])
def test_frozen_layers_do_not_change(last: int) -> None:
    net, _ = train_network(trainable_layers=last)
    before = dict(network().named_parameters())
    changed = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert not any("embeddings" in name for name in changed)
    assert any("layer.0" in name for name in changed) == (last >= 2)
    assert any("layer.1" in name for name in changed)
    assert any(name.startswith("classifier") for name in changed)


def test_freezing_a_tied_decoder_keeps_its_embeddings() -> None:
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            tie_word_embeddings=True,
        )
    )
    freeze(llama, 1)
    trainable = {name for name, p in llama.named_parameters() if p.requires_grad}
    assert "model.norm.weight" in trainable
    assert not any(
        name.startswith(("model.embed", "model.layers.0", "lm_head")) for name in trainable
    )


class GivenLosses:
    """A loss that takes given values on validation rows, and saves the head at each evaluation."""

    def __init__(self, *losses: float) -> None:
        # 32 validation rows are two batches of 16
        self.losses: Iterator[float] = iter([loss for loss in losses for _ in range(2)])
        self.heads: list[Tensor] = []

    def __call__(self, net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        if net.training:
            return cross_entropy(net, batch, smoothing)
        self.heads.append(net.classifier.weight.detach().clone())
        return torch.tensor(next(self.losses))


def test_stops_early_with_the_best_weights() -> None:
    loss = GivenLosses(3.0, 1.0, 2.0, 2.0, 0.0)
    net, history = train_network(loss, max_steps=20, early_stopping_patience=2)
    assert [entry["step"] for entry in history] == [4, 8, 12, 16]
    assert torch.equal(net.classifier.weight, loss.heads[2])
    assert not torch.equal(net.classifier.weight, loss.heads[-1])


def test_a_loss_that_is_not_a_number_is_reported() -> None:
    with pytest.raises(StageError, match="not a number"):
        train_network(GivenLosses(*[math.nan] * 3))


def test_no_training_rows_is_reported() -> None:
    with pytest.raises(StageError, match="no training rows"):
        fit(
            network(),
            cross_entropy,
            [],
            examples(4, 1),
            collate,
            TrainingParams(**TRAINING),
            RUNTIME,
        )


def test_batches_have_similar_lengths_in_random_order() -> None:
    lengths = [random.Random(n).randrange(1, 100) for n in range(403)]
    torch.manual_seed(0)
    sampler = LengthGroupedSampler(lengths, 8)
    order = list(sampler)
    assert sorted(order) == list(range(403))
    batches = [[lengths[i] for i in order[at : at + 8]] for at in range(0, 400, 8)]
    spread = sum(max(b) - min(b) for b in batches) / len(batches)
    assert spread < 10
    assert [b[0] for b in batches] != sorted(b[0] for b in batches)
    assert list(sampler) != order


def test_history_is_written_as_a_table(tmp_path: Path) -> None:
    _, history = train_network()
    write_history(tmp_path / "curve.csv", history)
    with (tmp_path / "curve.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["step"]) for row in table] == [4, 8, 12]
    assert float(table[0]["validation_loss"]) == pytest.approx(
        history[0]["validation_loss"], rel=1e-5
    )
