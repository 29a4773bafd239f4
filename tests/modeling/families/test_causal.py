import math
from pathlib import Path

import pytest
import torch

from tandem import modeling
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.modeling.families.causal import Model, by_length, log_likelihood, padded
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
    found = modeling.load(tiny / "generator", TASK)
    assert isinstance(found, Model)
    return found


def test_bits_are_those_of_the_texts_tokens_one_by_one(
    model: Model, rated: list[GenerationRow]
) -> None:
    row = rated[0]
    ids = [1, *model.tokens([row.text])[0], 2]
    bits = 0.0
    for place in range(1, len(ids)):
        with torch.no_grad():
            logits = model.network(torch.tensor([ids[:place]])).logits[0, -1]
        bits -= logits.log_softmax(-1)[ids[place]].item() / math.log(2)
    (answer,) = model.predict([row], 1)
    assert answer["bits"] == pytest.approx(bits, rel=1e-5)
    assert answer["bytes"] == len(row.text.encode())


def test_the_loss_judges_the_logits(model: Model, rated: list[GenerationRow]) -> None:
    batch = model.collate()(model.encode(rated[:3]))
    with torch.no_grad():
        (logits,) = model.logits_of(model.network, batch)
        loss = model.loss(model.network, batch, 0.0)
    wanted = batch["input_ids"][:, 1:][batch["attention_mask"][:, 1:].bool()]
    assert torch.allclose(torch.nn.functional.cross_entropy(logits, wanted), loss)


def test_bytes_are_utf8_bytes(model: Model, rated: list[GenerationRow]) -> None:
    row = GenerationRow(id="x", group="x", domain="movie", text="Amélie ☺")
    assert model.predict([row], 1)[0]["bytes"] == 6 + 1 + 1 + 3


def test_batch_and_order_do_not_matter(model: Model, rated: list[GenerationRow]) -> None:
    whole = [answer["bits"] for answer in model.predict(rated, 5)]
    alone = [model.predict([row], 1)[0]["bits"] for row in rated]
    assert whole == pytest.approx(alone, rel=1e-4)


def test_special_tokens_in_a_text_are_text(model: Model) -> None:
    (ids,) = model.tokens(["a</s>b"])
    assert not {0, 1, 2} & set(ids)


def test_long_texts_are_cut_in_training_only(tiny: Path, rated: list[GenerationRow]) -> None:
    short = TRAINING.model_copy(update={"max_length": 4})
    model = Model.initialize(tiny / "generator", TASK, rated, short, None)
    assert {len(example["input_ids"]) for example in model.encode(rated)} == {4}
    whole = Model.load(tiny / "generator", TASK).predict(rated, 4)
    assert model.predict(rated, 4) == whole


def test_loss_is_the_mean_over_tokens_and_leaves_padding_out(
    model: Model, rated: list[GenerationRow]
) -> None:
    examples = model.encode(rated[:4])
    tokens = sum(len(example["input_ids"]) - 1 for example in examples)
    bits = sum(answer["bits"] for answer in model.predict(rated[:4], 4))
    with torch.no_grad():
        loss = model.loss(model.network, model.collate()(examples), 0.0)
    assert loss.item() == pytest.approx(bits * math.log(2) / tokens, rel=1e-5)


def test_likelihood_has_a_gradient_in_few_positions_at_a_time(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Model.load(tiny / "generator", TASK).network
    batch = padded([[1, 5, 6, 7, 2], [1, 8, 2]])
    whole = log_likelihood(network, batch)
    monkeypatch.setattr("tandem.modeling.families.causal.POSITIONS", 2)
    pieces = log_likelihood(network, batch)
    assert torch.allclose(whole, pieces)
    torch.autograd.backward(pieces.sum())
    assert network.get_input_embeddings().weight.grad.abs().sum() > 0


def test_training_lowers_the_bits_and_leaves_frozen_weights(
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
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved
    assert all(name.startswith(("model.layers.2.", "model.norm")) for name in moved)
    bits = [sum(answer["bits"] for answer in m.predict(rated, 8)) for m in (before, model)]
    assert bits[1] < bits[0]
    assert modeling.load(tmp_path / "first", TASK).predict(rated, 8) == model.predict(rated, 8)


def test_batches_have_like_lengths() -> None:
    assert by_length([[1], [1, 2, 3], [1, 2], [4]], 2) == [[1, 2], [0, 3]]
