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
    """Three commits: as it was, a param of clean, code of split."""
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    params = project.path / "params.yaml"
    params.write_text(params.read_text().replace("max_words: 60", "max_words: 5"))
    project.repro()
    second = commit(project, "shorter texts")
    code = project.path / "src/tandem/stages/split.py"
    code.write_text(code.read_text() + "_MORE = 1\n")
    project.repro()
    return [first, second, commit(project, "a statement")]


def test_what_changed_and_what_came_first(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = diff.query(history[0], history[2], METRIC)
    assert found["values"][0] > found["values"][1]
    clean, split = found["changes"]
    assert clean["stage"] == "clean@intent" and clean["follows"] == []
    (changed,) = clean["own"]["params"].items()
    assert changed[0].startswith("intent.clean.filters")
    assert split["follows"] == ["clean@intent"]
    assert list(split["own"]["code"]) == ["src/tandem/stages/split.py"]
    assert found["reached"]["commit"]["title"] == "shorter texts"
    assert [change["stage"] for change in found["reached"]["changes"]] == ["clean@intent"]

    assert cli.main(["lineage", "diff", history[0], history[2], METRIC]) == 0
    said = capsys.readouterr().out
    assert f"→ {found['values'][1]}" in said.splitlines()[0]
    assert "follows from clean@intent" in said and "shorter texts" in said


def test_nothing_changed(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    (project.path / "notes.md").write_text("A word.\n")
    second = commit(project, "a word")
    assert cli.main(["lineage", "diff", first, second, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []


def test_a_revision_that_is_not_there(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "diff", "HEAD", "v9"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_what_left_the_metric_as_it_was_did_not_reach_it(project: Workspace) -> None:
    first = project.run("git", "rev-parse", "HEAD").stdout.strip()
    code, params = project.path / "src/tandem/stages/clean.py", project.path / "params.yaml"
    code.write_text(code.read_text() + "_MORE = 1\n")
    project.repro()
    statement = commit(project, "a statement")
    assert diff.query(first, statement, METRIC)["reached"] is None
    params.write_text(params.read_text().replace("max_words: 60", "max_words: 5"))
    project.repro()
    last = commit(project, "shorter texts")
    assert diff.query(first, last, METRIC)["reached"]["commit"]["title"] == "shorter texts"


def test_other_bytes_for_no_reason_are_told() -> None:
    old = record("a", [], ["x"])
    other = old.outputs["x"].model_copy(update={"sha256": "0" * 64})
    new = old.model_copy(update={"outputs": {"x": other}})
    (found,) = diff.changes(Graph.of([old]), Graph.of([new]), ["a"])
    assert found["own"] == {"outputs": {"x": [old.outputs["x"].sha256, "0" * 64]}}
