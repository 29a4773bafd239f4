"""Snakemake with Tandem's patches, which are not applied to untested versions."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engines.made_up import executed, make, stage
from snakemake.jobs import Job
from snakemake.scheduling import greedy, milp
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.settings.enums import RerunTrigger

from tandem.patches import applies, snakemake


class Workflow:
    """The attributes of Snakemake's workflow that are patched."""

    rerun_triggers: Any = frozenset(RerunTrigger.all())

    def log_missing_metadata_info(self) -> None:
        raise AssertionError("not replaced")


class Input:
    """An input file of seven bytes, with the methods that Snakemake's scheduler calls."""

    async def exists(self) -> bool:
        return True

    async def size(self) -> int:
        return 7


@pytest.fixture(autouse=True)
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo all patches of Snakemake after the test."""
    for name in ("remove_existing_output", "cleanup"):
        monkeypatch.setattr(Job, name, getattr(Job, name))
    monkeypatch.setattr(Workflow, "rerun_triggers", Workflow.rerun_triggers)


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the installed version of Snakemake count as untested."""
    monkeypatch.setitem(snakemake.TESTED, "snakemake", ("0",))
    yield


def scheduler(selection: str) -> Any:
    """A scheduler that selects jobs by priority, by size, or with a solver."""
    job_scheduler = JobScheduler.__new__(JobScheduler)
    job_scheduler._input_sizes = {}
    job_scheduler.job_rate_limiter = "a limit"
    if selection == "solver":
        settings = milp.SchedulerSettings()
        job_scheduler._scheduler = milp.Scheduler(None, settings, logging.getLogger())
    else:
        settings = greedy.SchedulerSettings(
            omit_prioritize_by_temp_and_input=selection == "priority"
        )
        job_scheduler._scheduler = greedy.Scheduler(None, settings, logging.getLogger())
    return job_scheduler


def input_sizes(job_scheduler: Any) -> list[int]:
    """The sizes of input files that a scheduler reads before it selects jobs."""
    asyncio.run(job_scheduler.update_input_sizes([SimpleNamespace(input=[Input()])]))
    return list(job_scheduler._input_sizes.values())


def test_the_installed_version_is_tested() -> None:
    assert applies("snakemake", snakemake.TESTED["snakemake"])


@pytest.mark.parametrize("selection", ["priority", "size", "solver"])
def test_sizes_of_inputs_are_read_only_if_jobs_are_selected_by_them(selection: str) -> None:
    job_scheduler = scheduler(selection)
    snakemake.patch_scheduler(job_scheduler)
    assert job_scheduler.job_rate_limiter is None
    assert input_sizes(job_scheduler) == ([] if selection == "priority" else [7])


def test_the_workflow_is_patched() -> None:
    workflow = Workflow()
    snakemake.patch(workflow)
    assert workflow.rerun_triggers == {RerunTrigger.MTIME}
    workflow.log_missing_metadata_info()
    asyncio.run(Job.cleanup(SimpleNamespace(), []))  # nothing is removed


@pytest.mark.usefixtures("untested")
def test_another_version_is_left_as_it_is() -> None:
    workflow, job_scheduler = Workflow(), scheduler("priority")
    before = Job.remove_existing_output, Job.cleanup
    snakemake.patch(workflow)
    snakemake.patch_scheduler(job_scheduler)
    assert (Job.remove_existing_output, Job.cleanup) == before
    assert workflow.rerun_triggers == frozenset(RerunTrigger.all())
    assert job_scheduler.job_rate_limiter == "a limit" and input_sizes(job_scheduler) == [7]


UNTESTED = """
from tandem.patches import dvc, snakemake
dvc.TESTED["dvc"] = snakemake.TESTED["snakemake"] = ("0",)
"""


@pytest.mark.slow
@pytest.mark.parametrize("patched", [True, False])
def test_a_run_is_the_same_with_and_without_all_patches(patched: bool, tmp_path: Path) -> None:
    stages = {
        "one": stage("head -1 source.txt > one.txt", ["source.txt"], ["one.txt"]),
        "two": stage("cat one.txt > two.txt", ["one.txt"], ["two.txt"]),
    }
    project = make(tmp_path / "project", stages, **{"source.txt": "first\n"})
    if not patched:
        (tmp_path / "site").mkdir()
        (tmp_path / "site/sitecustomize.py").write_text(UNTESTED)
        project.env["PYTHONPATH"] = f"{tmp_path / 'site'}:{project.env['PYTHONPATH']}"
    project.snakemake("-c2")
    assert executed(project) == ["one", "two"]
    assert project.changed() == set() and project.planned() == set()
    lock = project.lock()
    (project.path / "source.txt").write_text("first\nsecond\n")
    assert project.planned() == {"one", "two"}
    project.snakemake("-c2")
    assert executed(project) == ["one"]  # DVC skips or restores `two`
    assert (project.path / "two.txt").read_text() == "first\n"
    assert project.changed() == set() and project.planned() == set() and project.lock() != lock


@pytest.mark.slow
def test_outputs_that_dvc_restored_are_not_reported_as_without_metadata(tmp_path: Path) -> None:
    stages = {"one": stage("cat source.txt > one.txt", ["source.txt"], ["one.txt"])}
    project = make(tmp_path / "project", stages, **{"source.txt": "a\n"})
    project.repro()
    (project.path / "one.txt").unlink()
    project.run("dvc", "checkout", "--quiet")
    planned = project.snakemake("-n")
    said = planned.stdout + planned.stderr
    assert "Nothing to be done" in said and "metadata" not in said
