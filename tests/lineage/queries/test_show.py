import json

import pytest
from engines.workspace import Workspace
from lineage.conftest import commit

from tandem import cli
from tandem.core import io
from tandem.lineage.queries import show

KEPT_ROWS = "reports/details/clean/intent.json#kept"


def test_a_number_is_traced_to_its_pinned_source(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "show", KEPT_ROWS]) == 0
    lines = capsys.readouterr().out.splitlines()
    kept = io.read_details(project.path / KEPT_ROWS.partition("#")[0])["kept"]
    assert lines[0] == f"{KEPT_ROWS} = {kept}: 2 stages, in topological order"
    assert lines[-2:] == [
        "Pinned sources:",
        "     home-assistant-intents 2026.10.27 sha256 "
        "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40 (fetch@intent)",
    ]


def test_the_result_can_be_printed_as_json(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "show", "data/split/intent/test.parquet", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [stage["stage"] for stage in result["stages"]] == [
        "fetch@intent", "clean@intent", "split@intent",
    ]  # fmt: skip
    for stage in result["stages"]:
        assert {"command", "params", "inputs", "outputs", "packages", "seed", "pins"} <= {*stage}
        assert stage["commit"]["title"] == "first"


def test_a_record_that_is_not_committed_has_no_commit(project: Workspace) -> None:
    path = project.path / "params.yaml"
    path.write_text(path.read_text().replace("max_words: 60", "max_words: 59"))
    project.repro("clean@intent")
    commits = [stage["commit"] for stage in show.query("clean@intent")["stages"]]
    assert commits[0] is not None and commits[1] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "data/claen/intent",
            "the records contain no stage or output 'data/claen/intent'. Did you mean",
        ),
        ("reports/details/clean/intent.json#kpet", "has no key 'kpet'. Did you mean 'kept'?"),
        ("reports/details/clean/intent.json#kept.value", "has no key"),
        ("data/clean/intent#kept", "data/clean/intent is not a readable JSON file"),
        ("data/clean/intent/rows.parquet#kept", "rows.parquet is not JSON"),
    ],
)
def test_an_unknown_name_is_reported_in_one_line(
    name: str, message: str, project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "show", name]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_folder_may_end_in_a_slash(project: Workspace) -> None:
    assert show.query("data/clean/intent/")["stages"] == show.query("data/clean/intent")["stages"]


def test_without_git_no_record_has_a_commit(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert [stage["commit"] for stage in show.query("fetch@intent")["stages"]] == [None]


def test_the_commit_of_a_record_may_be_a_merge(project: Workspace) -> None:
    record = project.path / "reports/lineage/fetch/intent.json"
    first, text = project.run("git", "rev-parse", "HEAD").stdout.strip(), record.read_text()
    for branch, seed in (("one", 1), ("two", 2)):
        project.run("git", "checkout", "--quiet", "-b", branch, first)
        record.write_text(text.replace('"seed": 13', f'"seed": {seed}'))
        commit(project, branch)
    project.run("git", "merge", "--quiet", "-s", "ours", "-m", "decided", "one")
    record.write_text(text.replace('"seed": 13', '"seed": 7'))
    project.run("git", "commit", "--quiet", "--all", "--amend", "--no-edit")
    commits = [stage["commit"]["title"] for stage in show.query("fetch@intent")["stages"]]
    assert commits == ["decided"]
