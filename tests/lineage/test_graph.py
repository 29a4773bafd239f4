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


def test_the_flow_of_a_real_project(project: Workspace) -> None:
    found = graph.read()
    assert list(found.records) == ["code", "fetch@intent", "clean@intent", "split@intent"]
    assert found.upstream("clean@intent") == ["code", "fetch@intent", "clean@intent"]
    assert found.downstream("clean@intent") == ["clean@intent", "split@intent"]
    assert found.producers_of("data/clean") == ["clean@intent"]
    assert found.producers_of("data/clean/intent/rows.parquet") == ["clean@intent"]
    assert found.consumers_of("src/tandem/text/mask.py") == ["code"]
    assert found.consumers_of("workflow/code/clean/intent.json") == ["clean@intent"]


def test_what_was_made_at_a_path(project: Workspace) -> None:
    found = graph.read()
    rows = found.expected_digest("data/raw/intent/rows.parquet")
    assert rows == file_digest(Path("data/raw/intent/rows.parquet"))
    above = found.expected_digest("reports/details")
    assert above is not None and above.nfiles == 3
    assert found.expected_digest("src/tandem/core") is None


@given(st.integers(2, 30), st.integers(0, 3))
def test_every_stage_comes_after_what_it_needs(length: int, step: int) -> None:
    names = [f"s{number}" for number in range(length)]
    records = [
        record(name, [f"out/{other}" for other in names[:at][-step:] if step], [f"out/{name}"])
        for at, name in enumerate(names)
    ]
    found = Graph.of(reversed(records))
    order = list(found.records)
    for name in names:
        assert all(order.index(other) < order.index(name) for other in found.needs[name])


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([record("a", [], ["x"]), record("b", [], ["x"])], "the records of a and b both claim x"),
        ([record("a", [], ["x"]), record("a", [], ["y"])], "two records claim the stage a"),
        ([record("a", ["y"], ["x"]), record("b", ["x"], ["y"])], "the records run in a circle"),
    ],
)
def test_records_that_cannot_be_true(records: list[RunRecord], said: str) -> None:
    with pytest.raises(LineageError, match=said):
        Graph.of(records)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"stage": "a"}', '[{"stage": "a"}]', "\0"])
def test_what_is_no_record_is_one_line(content: str) -> None:
    with pytest.raises(LineageError, match=r"a\.json is not a record: .*restore it") as raised:
        graph.parse(content.encode(), Path("a.json"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/data", "data/../../x"])
def test_a_record_names_nothing_beyond_the_project(path: str) -> None:
    content = io.details_bytes(record("a", [path], ["x"]).model_dump(exclude_none=True))
    with pytest.raises(LineageError, match="which is not of the project"):
        graph.parse(content, Path("a.json"))


def test_a_key_too_many_is_no_record(project: Workspace) -> None:
    path = Path("reports/lineage/clean/intent.json")
    content = io.read_details(path)
    with pytest.raises(LineageError):
        graph.parse(io.details_bytes(content | {"host": "here"}), path)


def test_without_records(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="reports/lineage holds no record: run"):
        graph.read(tmp_path)
