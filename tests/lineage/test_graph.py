from pathlib import Path

import pytest
from engines.workspace import Workspace
from hypothesis import given
from hypothesis import strategies as st

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.core.provenance import RunRecord, file_digest
from tandem.lineage import graph
from tandem.lineage.graph import Graph


def record(stage: str, inputs: list[str], outputs: list[str]) -> RunRecord:
    digest = file_digest(Path(__file__))
    return RunRecord(
        stage=stage,
        command=f"tandem {stage}",
        inputs=dict.fromkeys(inputs, digest),
        outputs=dict.fromkeys(outputs, digest),
        params={},
        seed=13,
        sources=[],
        packages={},
        pins={},
    )


def test_the_graph_of_a_real_project(project: Workspace) -> None:
    project_graph = graph.read()
    assert list(project_graph.records) == ["code", "fetch@intent", "clean@intent", "split@intent"]
    assert project_graph.upstream("clean@intent") == ["code", "fetch@intent", "clean@intent"]
    assert project_graph.downstream("clean@intent") == ["clean@intent", "split@intent"]
    assert project_graph.producers_of("data/clean") == ["clean@intent"]
    assert project_graph.producers_of("data/clean/intent/rows.parquet") == ["clean@intent"]
    assert project_graph.consumers_of("src/tandem/text/mask.py") == ["code"]
    assert project_graph.consumers_of("workflow/code/clean/intent.json") == ["clean@intent"]


def test_the_expected_digest_of_a_path(project: Workspace) -> None:
    project_graph = graph.read()
    rows = project_graph.expected_digest("data/raw/intent/rows.parquet")
    assert rows == file_digest(Path("data/raw/intent/rows.parquet"))
    folder = project_graph.expected_digest("reports/details")
    assert folder is not None and folder.nfiles == 3
    assert project_graph.expected_digest("src/tandem/core") is None


@given(st.integers(2, 30), st.integers(0, 3))
def test_every_stage_comes_after_what_it_needs(length: int, step: int) -> None:
    names = [f"s{number}" for number in range(length)]
    records = [
        record(name, [f"out/{needed}" for needed in names[:index][-step:] if step], [f"out/{name}"])
        for index, name in enumerate(names)
    ]
    made_up = Graph.of(reversed(records))
    order = list(made_up.records)
    for name in names:
        assert all(order.index(needed) < order.index(name) for needed in made_up.needs[name])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            [record("a", [], ["x"]), record("b", [], ["x"])],
            "the records of a and b both list the output x",
        ),
        ([record("a", [], ["x"]), record("a", [], ["y"])], "two records belong to the stage a"),
        ([record("a", ["y"], ["x"]), record("b", ["x"], ["y"])], "the records form a cycle"),
    ],
)
def test_contradictory_records_are_rejected(records: list[RunRecord], message: str) -> None:
    with pytest.raises(LineageError, match=message):
        Graph.of(records)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"stage": "a"}', '[{"stage": "a"}]', "\0"])
def test_a_file_that_is_not_a_record_is_reported_in_one_line(content: str) -> None:
    with pytest.raises(LineageError, match=r"a\.json is not a record: .*restore it") as raised:
        graph.parse(content.encode(), Path("a.json"))
    assert "\n" not in str(raised.value)


def test_a_record_of_an_earlier_version_is_recognized() -> None:
    """The message does not suggest restoring the record, because Git has it in the old format."""
    content = b'{"stage": "a", "command": "tandem a", "inputs": {}, "outputs": {}}'
    with pytest.raises(LineageError, match=r"a\.json was written by an earlier version of Tan"):
        graph.parse(content, Path("a.json"))


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/data", "data/../../x"])
def test_a_record_cannot_name_files_outside_of_the_project(path: str) -> None:
    content = io.details_bytes(record("a", [path], ["x"]).model_dump(exclude_none=True))
    with pytest.raises(LineageError, match="is outside the project"):
        graph.parse(content, Path("a.json"))


def test_a_record_with_an_unknown_key_is_rejected(project: Workspace) -> None:
    path = Path("reports/lineage/clean/intent.json")
    content = io.read_details(path)
    with pytest.raises(LineageError):
        graph.parse(io.details_bytes(content | {"host": "here"}), path)


def test_without_records(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="reports/lineage contains no records: run"):
        graph.read(tmp_path)
