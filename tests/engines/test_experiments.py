"""`dvc exp` works as docs/training.md describes; both engines add a stage if `seeds` names a task.

The stages are run by standin.py, not by Tandem.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # each test runs DVC several times
TARGET = "train@sentiment"
MODEL = Path("models/sentiment/base/content.json")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone in which the model has been trained and all changes are committed."""
    workspace = clone(tmp_path_factory.mktemp("experiments"), standin=True)
    for key, value in {"user.name": "test", "user.email": "test@example.org"}.items():
        workspace.run("git", "config", key, value)
    workspace.repro(TARGET)
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message", "trained")
    yield workspace


def rates(workspace: Workspace) -> set[float]:
    """The learning rates of all finished experiments in `dvc exp show`."""
    table = json.loads(workspace.run("dvc", "exp", "show", "--json").stdout)
    return {
        revision["data"]["params"]["params.yaml"]["data"]["sentiment"]["train"]["learning_rate"]
        for row in table
        for experiment in row["experiments"] or []
        for revision in experiment["revs"]
    }


def test_an_experiment_runs_in_the_workspace(trained: Workspace) -> None:
    before = (trained.path / MODEL).read_text()
    trained.run("dvc", "exp", "run", "-S", "sentiment.train.learning_rate=5e-5", TARGET)
    params = YAML(typ="safe", pure=True).load((trained.path / "params.yaml").read_text())
    assert params["sentiment"]["train"]["learning_rate"] == 5e-5
    assert (trained.path / MODEL).read_text() != before
    assert rates(trained) == {5e-5}


def test_experiments_are_queued_and_run(trained: Workspace) -> None:
    trained.run(
        "dvc", "exp", "run", "--queue", "-S", "sentiment.train.learning_rate=1e-5,2e-5", TARGET
    )
    assert trained.run("dvc", "queue", "status").stdout.count("Queued") >= 2
    trained.run("dvc", "exp", "run", "--run-all")
    assert rates(trained) >= {1e-5, 2e-5}


def test_both_engines_have_the_stage_of_seeds(trained: Workspace) -> None:
    assert "seeds@sentiment" not in trained.planned()
    trained.overlay({"seeds": {"sentiment": {"runs": [13, 14]}}})
    assert {"seeds@sentiment", "report"} <= trained.planned()
    assert "seeds@sentiment" in trained.run("dvc", "stage", "list", "--name-only").stdout
