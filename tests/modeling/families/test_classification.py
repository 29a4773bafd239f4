"""The model family `classification`, tested on real texts and a randomly initialized encoder."""

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.modeling.families.classification import Model, class_probabilities
from tandem.modeling.params import ClassificationParams
from tandem.modeling.training.class_weights import ClassWeights, balanced
from tandem.modeling.training.trainer import fit
from tandem.tasks.generation import GenerationRow
from tandem.tasks.sentiment import SentimentRow

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
TRAINING = TrainingParams(
    max_steps=60,
    eval_steps=30,
    early_stopping_patience=5,
    batch_size=8,
    learning_rate=5e-3,
    dropout=0.0,
    max_length=24,
)
THRESHOLDS = [-0.5, 0.5]


@pytest.fixture(scope="module")
def rows(rated: list[GenerationRow]) -> list[SentimentRow]:
    def label(ratings: tuple[int, ...]) -> str:
        return "positive" if sum(ratings) > 0 else "negative"

    return [
        SentimentRow(
            id=row.id,
            group=row.group,
            domain=row.domain,
            text=row.text,
            label=label(row.ratings),
            ratings=row.ratings,
        )
        for row in rated
    ]


def initialize_model(
    tiny: Path,
    rows: list[SentimentRow],
    thresholds: list[float] | None,
    class_weights: ClassWeights = "none",
) -> Model:
    torch.manual_seed(1)
    params = ClassificationParams(
        kind="classification", rating_thresholds=thresholds, class_weights=class_weights
    )
    return Model.initialize(tiny / "encoder", tasks.load("sentiment"), rows, TRAINING, params)


def test_balanced_weights_equal_those_of_scikit_learn() -> None:
    labels = [0] * 6 + [1] * 2 + [2] * 3
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced([6, 2, 3]) == pytest.approx(expected.tolist(), abs=1e-6)
    assert balanced([6.0, 2.0, 0.0, 3.0])[2] == 1.0


@pytest.mark.parametrize("thresholds", [None, THRESHOLDS])
def test_class_weights_raise_the_loss_of_rare_classes_and_are_saved_in_the_config(
    tiny: Path, rows: list[SentimentRow], thresholds: list[float] | None, tmp_path: Path
) -> None:
    few = [row for row in rows if row.label == "positive"][:2]
    chosen = few + [row for row in rows if row.label == "negative"]
    even = initialize_model(tiny, chosen, thresholds)
    weighted = initialize_model(tiny, chosen, thresholds, "balanced")
    weights = dict(
        zip(
            weighted.network.config.id2label.values(),
            weighted.network.config.class_weights,
            strict=True,
        )
    )
    assert weights["positive"] > 2 > 1 > weights["negative"]
    assert not hasattr(even.network.config, "class_weights")

    def loss(model: Model) -> float:
        return model.loss(model.network.eval(), model.collate()(model.encode(few)), 0.0).item()

    assert loss(weighted) > 2 * loss(even)
    weighted.save(tmp_path)
    assert loss(Model.load(tmp_path, tasks.load("sentiment"))) == loss(weighted)
    again = Model.initialize(
        tmp_path,
        tasks.load("sentiment"),
        chosen,
        TRAINING,
        ClassificationParams(kind="classification"),
    )
    assert not hasattr(again.network.config, "class_weights")


@pytest.mark.parametrize("thresholds", [None, THRESHOLDS])
def test_learns_saves_and_loads(
    tiny: Path, rows: list[SentimentRow], thresholds: list[float] | None, tmp_path: Path
) -> None:
    model = initialize_model(tiny, rows, thresholds)
    examples = model.encode(rows)
    fit(model.network, model.loss, examples, examples, model.collate(), TRAINING, RUNTIME)
    predictions = model.predict(rows, 7)
    right = sum(a["label"] == row.label for a, row in zip(predictions, rows, strict=True))
    assert right > 0.9 * len(rows)

    model.save(tmp_path)
    again = Model.load(tmp_path, model.task)
    assert again.predict(rows, 7) == predictions
    assert again.encode(rows) == examples

    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    batch = AutoTokenizer.from_pretrained(tmp_path)(rows[0].text, return_tensors="pt")
    with torch.no_grad():
        index = plain(**batch).logits.argmax().item()
    assert plain.config.id2label[index] == predictions[0]["label"]


def test_folder_contains_no_pickle_and_no_path(
    tiny: Path, rows: list[SentimentRow], tmp_path: Path
) -> None:
    initialize_model(tiny, rows, None).save(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    for file in tmp_path.glob("*.json"):
        assert str(tiny).encode() not in file.read_bytes()


def test_logits_do_not_depend_on_the_order_of_texts(tiny: Path, rows: list[SentimentRow]) -> None:
    model = initialize_model(tiny, rows, None)
    model.network.eval()
    forward = model.logits([row.text for row in rows], 5)
    backward = model.logits([row.text for row in rows[::-1]], 5).flip(0)
    assert torch.allclose(forward, backward, atol=1e-5)


def test_smoothing_applies_to_the_targets(tiny: Path, rows: list[SentimentRow]) -> None:
    model = initialize_model(tiny, rows, None)
    model.network.eval()
    batch = model.collate()(model.encode(rows[:4]))
    with torch.no_grad():
        sharp, even = (model.loss(model.network, batch, s).item() for s in (0.0, 1.0))
        logits = model.logits([row.text for row in rows[:4]], 4)
    assert sharp != even
    assert even == pytest.approx(-logits.log_softmax(1).mean().item(), abs=1e-4)


def test_unknown_label_has_no_loss(tiny: Path, rows: list[SentimentRow]) -> None:
    model = initialize_model(tiny, rows, None)
    odd = SentimentRow(id="x", group="x", domain="movie", text="So so.", label="mixed")
    batch = model.collate()(model.encode([odd]))
    assert model.loss(model.network, batch, 0.0).item() == 0


def test_rows_without_ratings_have_sharp_targets(tiny: Path, rows: list[SentimentRow]) -> None:
    model = initialize_model(tiny, rows, THRESHOLDS)
    plain = SentimentRow(id="x", group="x", domain="movie", text="So so.", label="neutral")
    assert model.encode([plain])[0]["labels"] == [0.0, 1.0, 0.0]
    mild = replace(rows[0], ratings=(0, 1, 1, -1, 1))
    assert 0.1 < model.encode([mild])[0]["labels"][1] < 0.9


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=30))
def test_class_probabilities_are_a_distribution(ratings: list[int]) -> None:
    probabilities = class_probabilities(ratings, THRESHOLDS)
    assert len(probabilities) == 3
    assert min(probabilities) >= 0
    assert sum(probabilities) == pytest.approx(1)
    mean: Any = statistics.fmean(ratings)
    if abs(mean) > 2:
        assert probabilities[0 if mean < 0 else 2] == max(probabilities)


def test_more_raters_give_more_certain_classes() -> None:
    few, many = (
        class_probabilities([0, 1, 2], THRESHOLDS),
        class_probabilities([0, 1, 2] * 10, THRESHOLDS),
    )
    assert few[2] < many[2]
