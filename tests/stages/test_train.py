"""train and compress: real rated rows, a tiny encoder, the stages' own commands."""

import copy
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification

from tandem import cli, modeling
from tandem.core import paths
from tandem.core import task as tasks
from tandem.core.rows import read_rows, write_rows
from tandem.tasks.sentiment import SentimentRow

TRAINING = {
    "max_steps": 4,
    "eval_steps": 2,
    "early_stopping_patience": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "max_length": 16,
}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": ["int8", "pruned"],
    "preferences": {},
    "sentiment": {
        "train": TRAINING | {"model": {"kind": "classification", "rating_thresholds": [-0.5, 0.5]}},
        "int8": {"per_token": False},
        "pruned": {"keep_ffn": 0.5, "keep_layers": 0.5, "rows": 8, "recovery": TRAINING},
    },
}


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    write_params(PARAMS)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "pretrained"))
    paths.augmented("sentiment").mkdir(parents=True)
    shutil.copy(paths.split("sentiment") / "train.parquet", paths.augmented("sentiment"))
    return rated_project


def write_params(content: dict[str, Any], **train: Any) -> None:
    changed = copy.deepcopy(content)
    changed["sentiment"]["train"] |= train
    YAML().dump(changed, Path("params.yaml"))


def files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_writes_what_dvc_expects(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "sentiment"]) == 0
    message = capsys.readouterr().out
    written = set(files(paths.model("sentiment", "base")))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= written
    assert not [name for name in written if not name.endswith((".json", ".safetensors", ".txt"))]

    scores = json.loads(paths.metrics("train", "sentiment").read_text())
    assert scores["steps"] == 4
    assert scores["rows"] == 12
    assert message.startswith(
        f"4 steps on 12 rows, validation loss {scores['validation_loss']:.3f}, "
        f"accuracy {scores['validation']['accuracy']['value']:.3f} ("
    )
    assert message.endswith(") on validation rows; written to models/sentiment/base\n")
    assert 0 <= scores["validation"]["accuracy"]["value"] <= 1
    with paths.plots("train", "sentiment").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]

    rows = read_rows(paths.split("sentiment") / "test.parquet", SentimentRow)
    model = modeling.load(paths.model("sentiment", "base"), tasks.load("sentiment"))
    assert len(model.predict(rows, 4)) == len(rows)


def test_same_bytes_in_another_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.copytree(project, other)
    runs = []
    for folder in (project, other):
        monkeypatch.chdir(folder)
        commands = (["train", "sentiment"], ["compress", "sentiment", "int8"])
        for command in (*commands, ["compress", "sentiment", "pruned"]):
            assert cli.main([*command]) == 0
        runs.append(files(Path("models")) | files(Path("reports")))
    assert runs[0] == runs[1]
    for content in runs[0].values():
        assert str(project).encode() not in content


def test_adapters_leave_plain_models_in_training_and_in_healing(project: Path) -> None:
    content = copy.deepcopy(PARAMS)
    lora = {"r": 2, "alpha": 4.0}
    content["sentiment"]["pruned"]["recovery"] |= {"lora": lora}
    write_params(content, lora=lora)
    assert cli.main(["train", "sentiment"]) == 0
    assert cli.main(["compress", "sentiment", "pruned"]) == 0
    for variant in ("base", "pruned"):
        folder = paths.model("sentiment", variant)
        with safe_open(folder / "model.safetensors", "numpy") as tensors:
            assert not [name for name in tensors.keys() if "lora" in name]  # noqa: SIM118
        network, info = AutoModelForSequenceClassification.from_pretrained(
            folder, output_loading_info=True
        )
        assert not info["missing_keys"] and not info["unexpected_keys"]
        assert network.config.num_labels == 3


@pytest.mark.slow
def test_two_processes_train_and_one_writes(project: Path) -> None:
    content = copy.deepcopy(PARAMS)
    content["runtime"] |= {"processes": 2}
    write_params(content)
    assert cli.main(["train", "sentiment"]) == 0
    assert json.loads(paths.metrics("train", "sentiment").read_text())["steps"] == 4
    assert {"config.json", "model.safetensors"} <= set(files(paths.model("sentiment", "base")))


def test_only_rows_that_the_steps_can_see_are_encoded(project: Path) -> None:
    found = []
    for most in (None, 4):
        write_params(PARAMS, steps=1, evaluate_every=1, max_rows=most)
        assert cli.main(["train", "sentiment"]) == 0
        found.append(files(paths.model("sentiment", "base")))
    assert found[0] == found[1]


def test_max_rows_takes_the_first_of_the_hashed(project: Path) -> None:
    write_params(PARAMS, max_rows=5)
    assert cli.main(["train", "sentiment"]) == 0
    assert json.loads(paths.metrics("train", "sentiment").read_text())["rows"] == 5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"model": {"kind": "tagging", "span_weight": 1.0, "span_dropout": 0.0}},
            "must be 'classification'",
        ),
        ({"model": {"kind": "clasification"}}, "Did you mean 'classification'?"),
        ({"model": {"kind": "classification", "rating_edge": [0.0]}}, "rating_edge"),
        ({"learning_rte": 1.0}, "did you mean sentiment.train.learning_rate?"),
        ({"lora": {"r": 0, "alpha": 1.0}}, "sentiment.train.lora.r"),
        ({"optimizer": "adam"}, "sentiment.train.optimizer"),
        ({"max_steps": 0}, "sentiment.train.max_steps"),
        ({"learning_rate": 1e30, "max_grad_norm": 1e30}, "not a number"),
    ],
)
def test_mistakes_are_told_in_a_line(
    project: Path, change: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(PARAMS, **change)
    assert cli.main(["train", "sentiment"]) == 2
    line = capsys.readouterr().err.strip()
    assert told.lower() in line.lower()
    assert "\n" not in line
    assert not paths.model("sentiment", "base").exists()
    assert not list(Path("models/sentiment").glob(".partial*"))


@pytest.mark.parametrize("missing", ["data/augmented", "data/split", "models/sentiment/pretrained"])
def test_missing_inputs_are_told(
    project: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(missing)
    assert cli.main(["train", "sentiment"]) == 2
    assert "is missing: run `dvc repro`" in capsys.readouterr().err


def test_no_validation_rows_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(paths.split("sentiment") / "validation.parquet", [], SentimentRow)
    assert cli.main(["train", "sentiment"]) == 2
    assert "no validation rows" in capsys.readouterr().err
