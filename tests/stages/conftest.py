"""Real rows of every task, and a project that contains only the default params."""

from pathlib import Path

import pytest

from tandem.core import params, paths
from tandem.core import task as tasks
from tandem.core.rows import Row
from tandem.stages import fetch

ROOT = Path(__file__).parents[2]
TASKS = ("generation", "translation", "intent", "sentiment")


@pytest.fixture(scope="session")
def real_rows() -> dict[str, list[Row]]:
    """Task → about 2,000 rows, taken at equal intervals from its source."""
    content = params.read(ROOT / paths.PARAMS)
    rows = {}
    for task in TASKS:
        source = params.load(fetch.Params, task, "fetch", content=content).source
        records = [record for record in source.plugin.rows(source) if isinstance(record, dict)]
        step = max(1, len(records) // 2000)
        rows[task] = [tasks.load(task).parse(record) for record in records[::step]]
    return rows


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's working directory, which contains only params.yaml."""
    (tmp_path / paths.PARAMS).write_bytes((ROOT / paths.PARAMS).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path
