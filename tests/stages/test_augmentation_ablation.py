"""The stages `augment` and `augmentation-ablation`, with real rows and tiny models."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.augmentation.common.derive import rows_to_augment
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.rows import hash_sample, read_rows
from tandem.modeling.params import train_params
from tandem.modeling.training.train_model import train_model
from tandem.tasks.sentiment import SentimentRow

MASKED_LM = {"kind": "masked_lm", "rate": 0.3, "candidates": 3, "batch_size": 4}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": [],
    "preferences": {},
    "augmentation_models": {"sentiment": {"forward": "models/lm", "backward": "models/lm"}},
    "augmentation_ablation": {"sentiment": {"forward": "models/lm", "backward": "models/lm"}},
    "sentiment": {
        "augment": {"operations": [MASKED_LM], "fraction": 1.0},
        "train": {
            "model": {"kind": "classification"},
            "max_steps": 4,
            "eval_steps": 1,
            "early_stopping_patience": 1,
            "batch_size": 4,
            "learning_rate": 0.01,
            "max_length": 16,
            "max_rows": 8,
        },
        "augmentation_ablation": {
            "operations": [{"kind": "swap", "rate": 0.4}, MASKED_LM],
            "fraction": 1.0,
            "max_rows": None,
            "batch_size": 4,
        },
    },
}
FORWARD = ("augmentation_ablation", "sentiment", "forward")
RESULTS = paths.details("augmentation-ablation", "sentiment")


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    write_params(PARAMS)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "pretrained"))
    shutil.copytree(tiny / "generator", "models/lm")
    return rated_project


def write_params(content: dict[str, Any]) -> None:
    YAML().dump(content, Path("params.yaml"))


def test_a_second_run_with_a_model_gives_the_same_bytes(project: Path) -> None:
    runs = []
    for _ in range(2):
        assert cli.main(["augment", "sentiment"]) == 0
        runs.append((paths.augmented("sentiment") / "train.parquet").read_bytes())
    assert runs[0] == runs[1]
    rows = read_rows(paths.augmented("sentiment") / "train.parquet", SentimentRow)
    derived = [row for row in rows if row.parent]
    assert len(derived) > 4 and all(row.id == f"{row.parent}~masked_lm" for row in derived)
    labels = {row.id: row.label for row in rows}
    assert all(row.label == labels[row.parent or ""] for row in derived)


def test_each_operation_is_compared_with_none(project: Path) -> None:
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    first = RESULTS.read_bytes()
    results = io.unwrap_details(json.loads(first))
    assert set(results) == {"none", "swap", "masked_lm"}
    validation = read_rows(paths.split("sentiment") / "validation.parquet", SentimentRow)
    for name, scores in results.items():
        assert scores["accuracy"]["n"] == len(validation)
        assert (scores["derived"] > 0) == (name != "none") == ("accuracy/difference" in scores)
        if name != "none":
            difference = scores["macro_f1"]["value"] - results["none"]["macro_f1"]["value"]
            assert scores["macro_f1/difference"]["value"] == pytest.approx(difference, abs=2e-6)
    assert not Path("models/sentiment/base").exists()
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    assert RESULTS.read_bytes() == first


def test_none_equals_training_without_augmentation(project: Path) -> None:
    """The variant `none` has the same accuracy as a model trained without early stopping."""
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    task = tasks.load("sentiment")
    stage_params = train_params(task).model_copy(update={"early_stopping_patience": 4})
    rows, _ = rows_to_augment(task)
    validation = list(read_rows(paths.split("sentiment") / "validation.parquet", SentimentRow))
    model, history = train_model(
        task, hash_sample(rows, 8), validation, stage_params, params.project().runtime
    )
    assert [evaluation["step"] for evaluation in history] == [1, 2, 3, 4]
    correct = [
        prediction["label"] == row.label
        for prediction, row in zip(model.predict(validation, 4), validation, strict=True)
    ]
    results = io.read_details(RESULTS)
    accuracy = sum(correct) / len(correct)
    assert results["none"]["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("augmentation_ablation",), {}, "augmentation_ablation.sentiment is missing"),
        (FORWARD, "models/sentiment/pretrained", "ends with ForMaskedLM"),
        (FORWARD, "models/other", "config.json is missing"),
        (("sentiment", "augmentation_ablation", "fraction"), 0.0, "augmentation_ablation.fraction"),
    ],
)
def test_user_errors_are_reported_in_one_line(
    project: Path,
    keys: tuple[str, ...],
    value: Any,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = copy.deepcopy(PARAMS)
    section = content
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    write_params(content)
    assert cli.main(["augmentation-ablation", "sentiment"]) == 2
    line = capsys.readouterr().err.strip()
    assert message in line and "\n" not in line
    assert not RESULTS.exists()
