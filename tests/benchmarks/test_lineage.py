"""benchmarks/lineage.py: questions to a made-up pipeline, whose cost grows as the pipeline does."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tandem.lineage.audit import checks


@pytest.fixture(scope="module")
def lineage(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("lineage")


def test_the_made_up_pipeline_is_an_honest_one(lineage: ModuleType, tmp_path: Path) -> None:
    here = Path.cwd()
    try:
        lineage.make(tmp_path, 30)
        done = checks.run()
    finally:
        os.chdir(here)
    assert done.findings == [] and done.stages == 30 and done.hashed > 30


@pytest.mark.slow
def test_the_cost_grows_with_the_number_of_stages(lineage: ModuleType) -> None:
    lineage.measure(10)  # what is imported once
    small, large = lineage.measure(100), lineage.measure(500)
    for question in small:
        assert large[question] < 10 * small[question] + 0.05, question
