"""Each regulariser and each habit of `fit`, shown on a random network of two small blocks."""

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

gc.freeze()  # the Trainer collects garbage at each start: half a second among transformers' objects

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


def trained(
    loss: Callable[..., Tensor] = cross_entropy, runtime: Runtime = RUNTIME, **settings: Any
) -> tuple[Any, list[dict[str, float]]]:
    net = network()
    training = TrainingParams(**(TRAINING | settings))
    curve = fit(net, loss, examples(96, 1), examples(32, 2), collate, training, runtime)
    return net, curve


def weights(net: Any) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in net.named_parameters() if p.ndim > 1}


def total(net: Any) -> float:
    return sum(float(w.abs().sum()) for w in weights(net).values())


@pytest.fixture(scope="module")
def plain() -> tuple[Any, list[dict[str, float]]]:
    return trained()


def test_learns_and_looks_on_the_beat(plain: tuple[Any, list[dict[str, float]]]) -> None:
    _, curve = trained(steps=60, evaluate_every=25, learning_rate=3e-3)
    assert [look["step"] for look in curve] == [25, 50, 60]
    assert curve[-1]["train_loss"] < 0.1 < 0.4 < curve[0]["train_loss"]
    assert curve[-1]["validation_loss"] < 0.4
    assert [look["step"] for look in plain[1]] == [4, 8, 12]


def test_repeats_bit_by_bit(plain: tuple[Any, list[dict[str, float]]]) -> None:
    torch.rand(5)  # what was drawn before must not matter
    again, curve = trained()
    assert curve == plain[1]
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), plain[0].parameters(), strict=True)
    )


def test_l1_shrinks_the_weights(plain: tuple[Any, list[dict[str, float]]]) -> None:
    assert total(trained(l1=0.01)[0]) < 0.99 * total(plain[0])


def test_l2_shrinks_the_weights(plain: tuple[Any, list[dict[str, float]]]) -> None:
    assert total(trained(l2=5.0)[0]) < 0.99 * total(plain[0])


def test_l1_is_no_part_of_the_validation_loss() -> None:
    _, curve = trained(l1=1.0, steps=1, evaluate_every=1)
    assert curve[0]["validation_loss"] < 1 < curve[0]["train_loss"]


@pytest.mark.parametrize("optimizer", ["adafactor", "sgd"])
def test_another_optimizer_gives_other_weights_and_learns(
    optimizer: str, plain: tuple[Any, list[dict[str, float]]]
) -> None:
    net, curve = trained(optimizer=optimizer, learning_rate=3e-3 if optimizer != "sgd" else 0.5)
    assert not torch.equal(net.classifier.weight, plain[0].classifier.weight)
    assert curve[-1]["validation_loss"] < curve[0]["validation_loss"]


def test_bf16_gives_other_bits_and_weights_in_fp32(
    plain: tuple[Any, list[dict[str, float]]],
) -> None:
    seen: set[torch.dtype] = set()

    def watched(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        inner = net.bert.pooler.dense(net.bert.embeddings.word_embeddings.weight[:1])
        seen.add(inner.dtype)
        return cross_entropy(net, batch, smoothing)

    net, curve = trained(watched, runtime=RUNTIME.model_copy(update={"precision": "bf16"}))
    assert seen == {torch.bfloat16}
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not torch.equal(net.classifier.weight, plain[0].classifier.weight)
    assert curve[-1]["validation_loss"] == pytest.approx(plain[1][-1]["validation_loss"], abs=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_without_a_gpu_is_told() -> None:
    with pytest.raises(ParamsError, match="fp16 needs a GPU"):
        trained(runtime=RUNTIME.model_copy(update={"device": "auto", "precision": "fp16"}))


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, Tensor]]:
    """What the optimiser was given at each step: gradients by the size of their parameter."""
    seen: list[dict[int, Tensor]] = []
    original = torch.optim.AdamW.step

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        parameters = [p for group in self.param_groups for p in group["params"]]
        given = [p for p in parameters if p.grad is not None]
        seen.append({p.numel(): p.grad.clone() for p in given})
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return seen


def on_bias(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
    """A loss whose gradient is 3 in both of the head's biases, whatever the batch."""
    found: Tensor = net.classifier.bias.sum() * 3
    return found


def test_clip_bounds_the_gradient(gradients: list[dict[int, Tensor]]) -> None:
    trained(on_bias, clip=0.5, steps=2)
    assert [float(given[2].norm()) for given in gradients] == pytest.approx([0.5, 0.5], rel=1e-4)


def test_accumulated_gradients_are_averaged(gradients: list[dict[int, Tensor]]) -> None:
    trained(on_bias, accumulation=4, steps=2, clip=100.0)
    assert [given[2].tolist() for given in gradients] == [pytest.approx([3.0, 3.0])] * 2


def test_accumulation_takes_more_rows_a_step() -> None:
    seen: list[int] = []

    def counted(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        seen.extend([len(batch["labels"])] * net.training)
        return cross_entropy(net, batch, smoothing)

    trained(counted, accumulation=3, steps=2)
    assert seen == [8] * 6


def test_smoothing_reaches_the_loss_in_training_only() -> None:
    seen: set[tuple[bool, float]] = set()

    def watched(net: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        seen.add((net.training, smoothing))
        return cross_entropy(net, batch, smoothing)

    trained(watched, label_smoothing=0.2)
    assert seen == {(True, 0.2), (False, 0.0)}


def test_dropout_is_set_everywhere() -> None:
    net, _ = trained(dropout=0.3)
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
def test_frozen_layers_stay(last: int) -> None:
    net, _ = trained(trainable_layers=last)
    before = dict(network().named_parameters())
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert not any("embeddings" in name for name in moved)
    assert any("layer.0" in name for name in moved) == (last >= 2)
    assert any("layer.1" in name for name in moved)
    assert any(name.startswith("classifier") for name in moved)


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


class Told:
    """A loss that says on validation rows what it is told, and keeps the head it then saw."""

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
    told = Told(3.0, 1.0, 2.0, 2.0, 0.0)
    net, curve = trained(told, steps=20, patience=2)
    assert [look["step"] for look in curve] == [4, 8, 12, 16]
    assert torch.equal(net.classifier.weight, told.heads[2])
    assert not torch.equal(net.classifier.weight, told.heads[-1])


def test_a_loss_that_is_no_number_is_told() -> None:
    with pytest.raises(StageError, match="not a number"):
        trained(Told(*[math.nan] * 3))


def test_nothing_to_train_on_is_told() -> None:
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


def test_batches_have_like_lengths_in_mixed_order() -> None:
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


def test_curve_is_a_table(tmp_path: Path) -> None:
    _, curve = trained()
    write_history(tmp_path / "curve.csv", curve)
    with (tmp_path / "curve.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["step"]) for row in table] == [4, 8, 12]
    assert float(table[0]["validation_loss"]) == pytest.approx(
        curve[0]["validation_loss"], rel=1e-5
    )
