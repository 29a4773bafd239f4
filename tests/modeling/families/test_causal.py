import math
from pathlib import Path

import pytest
import torch

from tandem import modeling
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.modeling.families.causal import Model, log_likelihood, padded
from tandem.modeling.seeding import make_torch_deterministic
from tandem.modeling.training.trainer import fit
from tandem.tasks.generation import GenerationRow

TASK = tasks.load("generation")
RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
TRAINING = TrainingParams(
    max_steps=12,
    eval_steps=6,
    early_stopping_patience=3,
    batch_size=4,
    learning_rate=0.01,
    trainable_layers=1,
    max_length=32,
)


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    result = modeling.load(tiny / "generator", TASK)
    assert isinstance(result, Model)
    return result


def test_bits_are_the_sum_over_the_tokens_of_a_text(
    model: Model, rated: list[GenerationRow]
) -> None:
    row = rated[0]
    ids = [1, *model.tokens([row.text])[0], 2]
    bits = 0.0
    for position in range(1, len(ids)):
        with torch.no_grad():
            logits = model.network(torch.tensor([ids[:position]])).logits[0, -1]
        bits -= logits.log_softmax(-1)[ids[position]].item() / math.log(2)
    (prediction,) = model.predict([row], 1)
    assert prediction["bits"] == pytest.approx(bits, rel=1e-5)
    assert prediction["bytes"] == len(row.text.encode())


def test_the_loss_equals_that_of_the_logits(model: Model, rated: list[GenerationRow]) -> None:
    batch = model.collate()(model.encode(rated[:3]))
    with torch.no_grad():
        (logits,) = model.logits_of(model.network, batch)
        loss = model.loss(model.network, batch, 0.0)
    expected = batch["input_ids"][:, 1:][batch["attention_mask"][:, 1:].bool()]
    assert torch.allclose(torch.nn.functional.cross_entropy(logits, expected), loss)


def test_bytes_are_utf8_bytes(model: Model, rated: list[GenerationRow]) -> None:
    row = GenerationRow(id="x", group="x", domain="movie", text="Amélie ☺")
    assert model.predict([row], 1)[0]["bytes"] == 6 + 1 + 1 + 3


def test_bits_do_not_depend_on_the_batch(model: Model, rated: list[GenerationRow]) -> None:
    batched = [prediction["bits"] for prediction in model.predict(rated, 5)]
    alone = [model.predict([row], 1)[0]["bits"] for row in rated]
    assert batched == pytest.approx(alone, rel=1e-4)


def test_special_tokens_in_a_text_are_text(model: Model) -> None:
    (ids,) = model.tokens(["a</s>b"])
    assert not {0, 1, 2} & set(ids)


def test_long_texts_are_truncated_in_training_only(tiny: Path, rated: list[GenerationRow]) -> None:
    short = TRAINING.model_copy(update={"max_length": 4})
    model = Model.initialize(tiny / "generator", TASK, rated, short, None)
    assert {len(example["input_ids"]) for example in model.encode(rated)} == {4}
    batched = Model.load(tiny / "generator", TASK).predict(rated, 4)
    assert model.predict(rated, 4) == batched


def test_loss_is_the_mean_over_tokens_without_padding(
    model: Model, rated: list[GenerationRow]
) -> None:
    examples = model.encode(rated[:4])
    tokens = sum(len(example["input_ids"]) - 1 for example in examples)
    bits = sum(prediction["bits"] for prediction in model.predict(rated[:4], 4))
    with torch.no_grad():
        loss = model.loss(model.network, model.collate()(examples), 0.0)
    assert loss.item() == pytest.approx(bits * math.log(2) / tokens, rel=1e-5)


def test_likelihood_does_not_depend_on_the_chunk_size_and_has_a_gradient(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Model.load(tiny / "generator", TASK).network
    batch = padded([[1, 5, 6, 7, 2], [1, 8, 2]])
    batched = log_likelihood(network, batch)
    monkeypatch.setattr("tandem.modeling.families.causal.POSITIONS", 2)
    chunked = log_likelihood(network, batch)
    assert torch.allclose(batched, chunked)
    torch.autograd.backward(chunked.sum())
    assert network.get_input_embeddings().weight.grad.abs().sum() > 0


def test_training_lowers_the_bits_and_keeps_frozen_weights(
    tiny: Path, rated: list[GenerationRow], tmp_path: Path
) -> None:
    before = modeling.load(tiny / "generator", TASK)
    saved = []
    for run in ("first", "second"):
        make_torch_deterministic(RUNTIME)
        model = Model.initialize(tiny / "generator", TASK, rated, TRAINING, None)
        examples = model.encode(rated)
        fit(model.network, model.loss, examples, examples, model.collate(), TRAINING, RUNTIME)
        model.save(tmp_path / run)
        saved.append((tmp_path / run / "model.safetensors").read_bytes())
    assert saved[0] == saved[1]
    old, new = before.network.state_dict(), model.network.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(name.startswith(("model.layers.2.", "model.norm")) for name in changed)
    bits = [sum(prediction["bits"] for prediction in m.predict(rated, 8)) for m in (before, model)]
    assert bits[1] < bits[0]
    assert modeling.load(tmp_path / "first", TASK).predict(rated, 8) == model.predict(rated, 8)
