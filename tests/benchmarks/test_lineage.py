"""benchmarks/lineage.py: the cost of queries is linear in the number of stages."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tandem.lineage.audit import checks


@pytest.fixture(scope="module")
def lineage(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("lineage")


def test_the_generated_pipeline_passes_the_audit(lineage: ModuleType, tmp_path: Path) -> None:
    here = Path.cwd()
    try:
        lineage.make(tmp_path, 30)
        audit = checks.run()
    finally:
        os.chdir(here)
    assert audit.findings == [] and audit.stages == 30 and audit.hashed > 30


@pytest.mark.slow
def test_the_cost_grows_with_the_number_of_stages(lineage: ModuleType) -> None:
    lineage.measure(10)  # imports
    small, large = lineage.measure(100), lineage.measure(500)
    for query in small:
        assert large[query] < 10 * small[query] + 0.05, query
