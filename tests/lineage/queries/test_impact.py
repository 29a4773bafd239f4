import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from engines.workspace import Workspace

from tandem import cli
from tandem.lineage.queries import impact

ALL = ["fetch@intent", "clean@intent", "split@intent"]


@pytest.mark.parametrize(
    ("name", "kind", "stages"),
    [
        ("home-assistant-intents", "source", ALL),
        ("home-assistant-intents==2026.10.27", "source", ALL),
        ("intent.clean", "param", ALL[1:]),
        ("intent.clean.mask.regions", "param", ALL[1:]),
        ("runtime", "param", ALL),
        ("data/clean/intent/rows.parquet", "path", ALL[1:]),
        ("src/tandem/stages/split.py", "code", ["split@intent"]),
        ("src/tandem/text", "code", ["clean@intent", "split@intent"]),
        ("clean@intent", "stage", ALL[1:]),
    ],
)
def test_stages_and_outputs_that_depend_on_a_name(
    name: str, kind: str, stages: list[str], project: Workspace
) -> None:
    result = impact.query(name)
    assert (result["kind"], result["stages"]) == (kind, stages)
    assert "data/split/intent" in result["data"]


def test_the_tables_that_contain_a_row(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    name = pq.read_table("data/split/intent/test.parquet")["id"][0].as_py()
    assert cli.main(["lineage", "impact", name, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [table["path"] for table in result["places"]] == [
        "data/clean/intent/rows.parquet",
        "data/raw/intent/rows.parquet",
        "data/split/intent/test.parquet",
    ]
    assert all(table["rows"] == 1 for table in result["places"])


def test_derived_rows_and_pairs_are_counted(tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"id": ["a", "a~swap", "b>a", "ab>c"], "parent": [None, "a", None, None]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert impact._counts(tmp_path / "t.parquet", "a") == {"rows": 1, "derived": 1, "pairs": 1}


def test_an_unknown_name_is_reported_in_one_line(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", "impact", "intent.claen"]) == 2
    error = capsys.readouterr().err
    assert "Did you mean 'intent.clean'?" in error and error.count("\n") == 1
