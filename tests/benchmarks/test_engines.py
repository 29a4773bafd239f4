"""benchmarks/engines.py: the table of results, and the counts of executed stages."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def engines(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("engines")


def test_the_cost_of_a_job_is_the_difference_per_stage(engines: ModuleType) -> None:
    rows = [
        engines.Row(60, "all stages", "snakemake", 12.0, 60),
        engines.Row(60, "nothing to do", "snakemake", 3.0, 0),
        engines.Row(300, "nothing to do", "dvc repro", 9.0, 0),
    ]
    assert engines.job_seconds(rows, 60, "snakemake") == pytest.approx(0.15)
    assert engines.job_seconds(rows, 300, "dvc repro") is None
    first, *_, last = engines.table(rows).splitlines()[1:]
    assert "12.00 (60)" in first and last.split()[-1] == "(0)"


@pytest.mark.slow
def test_executed_stages_are_counted(engines: ModuleType, tmp_path: Path) -> None:
    project = engines.make(tmp_path / "project", 6, engines.ROOT)
    assert project.measure(*engines.PLAIN, str(project.path))[1] == 6
    (project.path / "out/score0.txt").unlink()
    counts = [project.measure(*run)[1] for run in (engines.SNAKEMAKE, engines.REPRO)]
    assert counts == [6, 0]
    project.params(1, project.ends())
    counts = [project.measure(*run)[1] for run in (engines.REPRO, engines.SNAKEMAKE)]
    assert counts == [1, 0]
