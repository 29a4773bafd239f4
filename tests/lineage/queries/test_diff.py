import json

import pytest
from engines.workspace import Workspace
from lineage.conftest import commit
from lineage.test_graph import record

from tandem import cli
from tandem.lineage.graph import Graph
from tandem.lineage.queries import diff

METRIC = "reports/details/split/intent.json#rows.test"


@pytest.fixture
def history(project: Workspace) -> list[str]:
    """Three commits: the first run, a changed param of `clean`, and changed code of `split`."""
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    params = project.path / "params.yaml"
    params.write_text(params.read_text().replace("max_words: 60", "max_words: 5"))
    project.repro()
    second = commit(project, "shorter texts")
    (project.path / "src/tandem/splitting/values.json").write_text("[]")
    project.repro()
    return [first, second, commit(project, "a file of split")]


@pytest.mark.slow
def test_changes_and_the_first_commit_that_reached_the_metric(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = diff.query(history[0], history[2], METRIC)
    assert result["values"][0] > result["values"][1]
    clean, split = result["changes"]
    assert clean["stage"] == "clean@intent" and clean["follows"] == []
    (changed,) = clean["own"]["params"].items()
    assert changed[0].startswith("intent.clean.filters")
    assert split["follows"] == ["clean@intent"]
    assert list(split["own"]["code"]) == ["src/tandem/splitting/values.json"]
    assert result["reached"]["commit"]["title"] == "shorter texts"
    assert [change["stage"] for change in result["reached"]["changes"]] == ["clean@intent"]

    assert cli.main(["lineage", "diff", history[0], history[2], METRIC]) == 0
    output = capsys.readouterr().out
    assert f"→ {result['values'][1]}" in output.splitlines()[0]
    assert "because the outputs of clean@intent changed" in output and "shorter texts" in output


def test_nothing_changed(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    (project.path / "notes.md").write_text("A word.\n")
    second = commit(project, "a word")
    assert cli.main(["lineage", "diff", first, second, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []


def test_an_unknown_revision_is_reported_in_one_line(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "diff", "HEAD", "v9"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_commit_that_left_the_metric_unchanged_did_not_reach_it(project: Workspace) -> None:
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    (project.path / "src/tandem/text/filters/values.json").write_text("[]")
    project.repro()
    second = commit(project, "a file of clean")
    assert diff.query(first, second, METRIC)["reached"] is None
    params = project.path / "params.yaml"
    params.write_text(params.read_text().replace("max_words: 60", "max_words: 5"))
    project.repro()
    last = commit(project, "shorter texts")
    assert diff.query(first, last, METRIC)["reached"]["commit"]["title"] == "shorter texts"


def test_outputs_that_changed_without_a_reason_are_reported() -> None:
    old = record("a", [], ["x"])
    new_digest = old.outputs["x"].model_copy(update={"sha256": "0" * 64})
    new = old.model_copy(update={"outputs": {"x": new_digest}})
    (change,) = diff.changes(Graph.of([old]), Graph.of([new]), ["a"])
    assert change["own"] == {"outputs": {"x": [old.outputs["x"].sha256, "0" * 64]}}
