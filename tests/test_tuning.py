"""`tandem tune` on a tiny encoder finds a useful learning rate and writes it to params.yaml."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import schemas

from tandem import cli
from tandem.core import params, params_check, params_file, paths
from tandem.core.errors import ParamsError
from tandem.engines import dvc_stages

ROOT = Path(__file__).parents[1]
SECTIONS = partial(dvc_stages.sections, root=ROOT)
TINY = {
    "max_steps": 8,
    "eval_steps": 4,
    "batch_size": 4,
    "max_length": 16,
    "learning_rate": 1e-9,
    "trainable_layers": None,
}


@pytest.fixture
def project(rated_project: Path, tiny: Path) -> Path:
    """A project with a tiny training run, a useless learning rate, and no test rows."""
    shutil.copy(ROOT / paths.PARAMS, paths.PARAMS)
    shutil.copytree(tiny / "encoder", paths.model("sentiment", "pretrained"))
    paths.augmented("sentiment").mkdir(parents=True)
    shutil.copy(paths.split("sentiment") / "train.parquet", paths.augmented("sentiment"))
    (paths.split("sentiment") / "test.parquet").unlink()
    params_file.update_file({"sentiment": {"train": TINY}}, SECTIONS)
    return rated_project


def write_search(ranges: dict[str, Any], objective: str = "validation_loss") -> None:
    """Write the params `sentiment.tune`."""
    params_file.update_file(
        {"sentiment": {"tune": {"objective": objective, "ranges": ranges}}}, SECTIONS
    )


def test_a_better_value_is_found_without_test_rows_and_comments_are_kept(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_search({"learning_rate": {"low": 1e-9, "high": 1e-2, "log": True}})
    before = paths.PARAMS.read_text().splitlines()
    assert cli.main(["tune", "sentiment", "3"]) == 0
    output = capsys.readouterr().out
    assert [f"trial {n} of 3: learning_rate" in output for n in (1, 2, 3)] == [True] * 3
    assert "trial 1 of 3: learning_rate 1e-09" in output
    assert output.splitlines()[-1].startswith("written to params.yaml: learning_rate ")
    after = paths.PARAMS.read_text().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1 and changed[0].strip().startswith("learning_rate: ")
    assert params.read()["sentiment"]["train"]["learning_rate"] > 1e-6
    assert sorted(path.name for path in Path("models/sentiment").iterdir()) == ["pretrained"]
    assert not Path("reports").exists()


def test_the_objective_can_be_a_metric_and_a_key_can_be_nested(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_search({"model.class_weights": {"choices": ["balanced"]}}, "macro_f1")
    assert cli.main(["tune", "sentiment", "1", "--json"]) == 0
    out, progress = capsys.readouterr()
    answer = schemas.valid("tune", out)
    assert answer["values"] == {"model.class_weights": "balanced"}
    assert f"trial 1 of 1: model.class_weights balanced: macro_f1 {answer['score']:.6g}" in progress
    assert params.read()["sentiment"]["train"]["model"]["class_weights"] == "balanced"


@pytest.mark.parametrize(
    ("ranges", "objective", "message"),
    [
        ({"learnig_rate": {"choices": [1]}}, "accuracy", "unknown key sentiment.train.learni"),
        ({"dropout": {"low": 0.1, "high": 1.5}}, "accuracy", "sentiment.train.dropout"),
        ({"dropout": {"choices": [0.1]}}, "acuracy", "Did you mean 'accuracy'?"),
    ],
)
def test_mistakes_are_reported_before_the_first_trial(
    project: Path,
    ranges: dict[str, Any],
    objective: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_search(ranges, objective)
    assert cli.main(["tune", "sentiment", "1"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "span", [{"low": 1}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}, {}]
)
def test_an_invalid_range_is_reported(span: dict[str, Any]) -> None:
    content = params.read(ROOT / paths.PARAMS)
    content["sentiment"]["tune"] = {"ranges": {"dropout": span}}
    with pytest.raises(ParamsError, match=r"sentiment\.tune\.ranges\.dropout"):
        params_check.check(content, SECTIONS)
