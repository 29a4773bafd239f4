"""The stages `train` and `compress`, run by their commands on real rows with a tiny encoder."""

import copy
import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification

from tandem import cli, modeling
from tandem.core import io, paths
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


def read_files(folder: Path) -> dict[str, bytes]:
    models = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in models}


def test_writes_its_outputs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "sentiment"]) == 0
    message = capsys.readouterr().out
    written = set(read_files(paths.model("sentiment", "base")))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= written
    assert not [name for name in written if not name.endswith((".json", ".safetensors", ".txt"))]

    scores = io.read_details(paths.details("train", "sentiment"))
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


def test_outputs_are_the_same_bytes_in_another_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_folder = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.copytree(project, other_folder)
    runs = []
    for folder in (project, other_folder):
        monkeypatch.chdir(folder)
        commands = (["train", "sentiment"], ["compress", "sentiment", "int8"])
        for command in (*commands, ["compress", "sentiment", "pruned"]):
            assert cli.main([*command]) == 0
        runs.append(read_files(Path("models")) | read_files(Path("reports")))
    assert runs[0] == runs[1]
    for content in runs[0].values():
        assert str(project).encode() not in content


def test_adapters_leave_plain_models_in_training_and_recovery(project: Path) -> None:
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
    assert io.read_details(paths.details("train", "sentiment"))["steps"] == 4
    assert {"config.json", "model.safetensors"} <= set(read_files(paths.model("sentiment", "base")))


def test_only_rows_that_the_steps_can_reach_are_encoded(project: Path) -> None:
    models = []
    for limit in (None, 4):
        write_params(PARAMS, max_steps=1, eval_steps=1, max_rows=limit)
        assert cli.main(["train", "sentiment"]) == 0
        models.append(read_files(paths.model("sentiment", "base")))
    assert models[0] == models[1]


def test_max_rows_takes_the_first_by_hashed_id(project: Path) -> None:
    write_params(PARAMS, max_rows=5)
    assert cli.main(["train", "sentiment"]) == 0
    assert io.read_details(paths.details("train", "sentiment"))["rows"] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": {"kind": "tagging", "span_weight": 1.0, "span_dropout": 0.0}},
            "must be 'classification'",
        ),
        ({"model": {"kind": "clasification"}}, "'classification'"),
        ({"model": {"kind": "classification", "rating_edge": [0.0]}}, "rating_edge"),
        ({"learning_rte": 1.0}, "did you mean 'learning_rate'?"),
        ({"lora": {"r": 0, "alpha": 1.0}}, "sentiment.train.lora.r"),
        ({"optimizer": "adam"}, "sentiment.train.optimizer"),
        ({"max_steps": 0}, "sentiment.train.max_steps"),
        ({"learning_rate": 1e30, "max_grad_norm": 1e30}, "not a number"),
    ],
)
def test_user_errors_are_reported_in_one_line(
    project: Path, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(PARAMS, **change)
    assert cli.main(["train", "sentiment"]) == 2
    line = capsys.readouterr().err.strip()
    assert message.lower() in line.lower()
    assert "\n" not in line
    assert not paths.model("sentiment", "base").exists()
    assert not list(Path("models/sentiment").glob(".partial*"))


@pytest.mark.parametrize("missing", ["data/augmented", "data/split", "models/sentiment/pretrained"])
def test_missing_inputs_are_reported(
    project: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(missing)
    assert cli.main(["train", "sentiment"]) == 2
    assert "is missing: run `dvc repro`" in capsys.readouterr().err


def test_missing_validation_rows_are_reported(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(paths.split("sentiment") / "validation.parquet", [], SentimentRow)
    assert cli.main(["train", "sentiment"]) == 2
    assert "no validation rows" in capsys.readouterr().err
