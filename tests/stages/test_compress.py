"""The stage `compress`: each method writes a folder with a working model, made only from `base`."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tandem import cli, modeling
from tandem.core import paths, registry
from tandem.core import task as tasks
from tandem.core.rows import read_rows
from tandem.modeling.weight_stats import weight_stats
from tandem.tasks.sentiment import SentimentRow

TRAINING = {
    "max_steps": 2,
    "eval_steps": 2,
    "early_stopping_patience": 1,
    "batch_size": 4,
    "learning_rate": 0.001,
    "max_length": 16,
}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": ["int8", "pruned", "grouped", "magnitude", "distilled", "onnx"],
    "preferences": {},
    "sentiment": {
        "int8": {"per_token": False},
        "pruned": {
            "keep_ffn": 0.5,
            "keep_heads": 0.5,
            "keep_layers": 1.0,
            "rows": 8,
            "recovery": TRAINING,
        },
        "grouped": {"bits": 4, "group_size": 16},
        "magnitude": {"keep_weights": 0.5, "scope": "layer", "recovery": TRAINING},
        "distilled": {
            "keep_layers": 0.5,
            "temperature": 2.0,
            "distillation_weight": 0.5,
            "training": TRAINING,
        },
        "onnx": {},
    },
}


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    YAML().dump(PARAMS, Path("params.yaml"))
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "base"))
    paths.augmented("sentiment").mkdir(parents=True)
    shutil.copy(paths.split("sentiment") / "train.parquet", paths.augmented("sentiment"))
    return rated_project


def model_bytes(variant: str) -> int:
    result: int = weight_stats(paths.model("sentiment", variant))["size_bytes"]
    return result


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "onnx" else [])  # exports a graph
        for name in registry.names("compression")
    ],
)
def test_a_method_writes_a_smaller_model_and_the_same_bytes_each_time(
    project: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compress", "sentiment", method]) == 0
    message = capsys.readouterr().out
    assert message.startswith("weights ") and f" written to models/sentiment/{method}\n" in message
    assert f"({100 * model_bytes(method) / model_bytes('base'):.0f} %)" in message
    assert model_bytes(method) < model_bytes("base")
    rows = read_rows(paths.split("sentiment") / "test.parquet", SentimentRow)
    model = modeling.load(paths.model("sentiment", method), tasks.load("sentiment"))
    assert len(model.predict(rows, 4)) == len(rows)
    suffixes = {file.suffix for file in paths.model("sentiment", method).rglob("*")}
    assert suffixes <= {".json", ".safetensors", ".onnx"}  # none of these formats can contain code

    folder = paths.model("sentiment", method)
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert cli.main(["compress", "sentiment", method]) == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first


def test_an_unknown_method_is_reported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compress", "sentiment", "int9"]) == 2
    assert "Did you mean 'int8'?" in capsys.readouterr().err


def test_without_a_base_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(paths.model("sentiment", "base"))
    assert cli.main(["compress", "sentiment", "int8"]) == 2
    assert "models/sentiment/base is missing" in capsys.readouterr().err
    assert not paths.model("sentiment", "int8").exists()
