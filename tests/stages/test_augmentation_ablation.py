"""augment and augmentation-effect with models: real rated rows, tiny models, own commands."""

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

FILL = {"kind": "masked_lm", "rate": 0.3, "candidates": 3, "batch_size": 4}
PARAMS: dict[str, Any] = {
    "runtime": {"seed": 13, "threads": 1, "isa": "avx2", "device": "cpu"},
    "tasks": ["sentiment"],
    "methods": [],
    "preferences": {},
    "augmentation_models": {"sentiment": {"forward": "models/lm", "backward": "models/lm"}},
    "augmentation_ablation": {"sentiment": {"forward": "models/lm", "backward": "models/lm"}},
    "sentiment": {
        "augment": {"operations": [FILL], "fraction": 1.0},
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
            "operations": [{"kind": "swap", "rate": 0.4}, FILL],
            "fraction": 1.0,
            "max_rows": None,
            "batch_size": 4,
        },
    },
}
TABLE = paths.details("augmentation-ablation", "sentiment")


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    write_params(PARAMS)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "pretrained"))
    shutil.copytree(tiny / "generator", "models/lm")
    return rated_project


def write_params(content: dict[str, Any]) -> None:
    YAML().dump(content, Path("params.yaml"))


def test_rows_by_a_model_have_the_same_bytes_again(project: Path) -> None:
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


def test_each_operation_stands_beside_none(project: Path) -> None:
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    first = TABLE.read_bytes()
    table = io.unwrap_details(json.loads(first))
    assert set(table) == {"none", "swap", "masked_lm"}
    validation = read_rows(paths.split("sentiment") / "validation.parquet", SentimentRow)
    for name, own in table.items():
        assert own["accuracy"]["n"] == len(validation)
        assert (own["derived"] > 0) == (name != "none") == ("accuracy/difference" in own)
        if name != "none":
            gain = own["macro_f1"]["value"] - table["none"]["macro_f1"]["value"]
            assert own["macro_f1/difference"]["value"] == pytest.approx(gain, abs=2e-6)
    assert not Path("models/sentiment/base").exists()
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    assert TABLE.read_bytes() == first


def test_none_is_what_plain_training_gives(project: Path) -> None:
    """The same steps of the same rows: `train` on rows without any derived one."""
    assert cli.main(["augmentation-ablation", "sentiment"]) == 0
    known = tasks.load("sentiment")
    settings = train_params(known).model_copy(update={"early_stopping_patience": 4})
    rows, _ = rows_to_augment(known)
    validation = list(read_rows(paths.split("sentiment") / "validation.parquet", SentimentRow))
    model, curve = train_model(
        known, hash_sample(rows, 8), validation, settings, params.project().runtime
    )
    assert [look["step"] for look in curve] == [1, 2, 3, 4]
    right = [
        answer["label"] == row.label
        for answer, row in zip(model.predict(validation, 4), validation, strict=True)
    ]
    table = io.read_details(TABLE)
    assert table["none"]["accuracy"]["value"] == pytest.approx(sum(right) / len(right), abs=1e-6)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("effects",), {}, "effects.sentiment is missing"),
        (("effects", "sentiment", "model"), "models/sentiment/pretrained", "needs a …ForMaskedLM"),
        (("effects", "sentiment", "model"), "models/other", "config.json is missing"),
        (("sentiment", "augmentation_ablation", "share"), 0.0, "augmentation_ablation.share"),
    ],
)
def test_mistakes_are_told_in_a_line(
    project: Path, keys: tuple[str, ...], value: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = copy.deepcopy(PARAMS)
    section = content
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    write_params(content)
    assert cli.main(["augmentation-ablation", "sentiment"]) == 2
    line = capsys.readouterr().err.strip()
    assert said in line and "\n" not in line
    assert not TABLE.exists()
