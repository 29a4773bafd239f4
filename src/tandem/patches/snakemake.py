"""Patches for Snakemake in a workflow whose stages DVC executes.

Without them, Snakemake may start jobs that DVC then skips or restores from its cache, and planning
and scheduling take longer. docs/decisions/0001 and 0005 have the reasons and the figures.
"""

from collections.abc import Sequence
from typing import Any

from tandem.patches import applies

TESTED = {"snakemake": ("9.27.1",)}


def patch(workflow: Any) -> None:
    """Patch Snakemake in this process, for the workflow that the Snakefile defines."""
    if applies("snakemake", TESTED["snakemake"]):
        leave_outputs_to_dvc()
        ignore_recorded_triggers(workflow)
        silence_missing_metadata(workflow)


def patch_scheduler(scheduler: Any) -> None:
    """Patch the scheduler of a run whose jobs are executed on this machine."""
    if applies("snakemake", TESTED["snakemake"]):
        skip_work_for_clusters(scheduler)


def leave_outputs_to_dvc() -> None:
    """Keep Snakemake from removing outputs before a job or after a job that failed.

    DVC removes the outputs of a stage that it runs. It skips a stage whose inputs turn out to be
    unchanged, which it can do only while the outputs exist.
    """
    from snakemake.jobs import Job

    async def remove_logs(job: Any) -> None:
        for file in job.log:
            await file.remove(remove_non_empty_dir=False)

    async def remove_nothing(_job: Any, skip_outputs: Sequence[Any]) -> None:
        pass

    Job.remove_existing_output = remove_logs
    Job.cleanup = remove_nothing


def ignore_recorded_triggers(workflow: Any) -> None:
    """Let only modification times trigger a job, whatever the profile.

    DVC decides by content which stages are stale. Snakemake also compares code, params and inputs
    with its own records of earlier runs, which do not include what DVC has run since.
    profiles/default has the option `rerun-triggers` for the same purpose, but a profile that the
    user chooses replaces it.
    """
    from snakemake.settings.enums import RerunTrigger

    type(workflow).rerun_triggers = frozenset({RerunTrigger.MTIME})


def silence_missing_metadata(workflow: Any) -> None:
    """Drop the message about outputs without metadata: DVC may have run these stages."""
    workflow.log_missing_metadata_info = lambda: None


def skip_work_for_clusters(scheduler: Any) -> None:
    """Skip the work that the scheduler does only for clusters before each selection of jobs.

    A limit on jobs per second protects a cluster's scheduler. With a limit, Snakemake selects jobs
    again one second after each selection, and once more for each job that has ended. Snakemake
    also reads the input sizes of all ready jobs. They matter only if jobs with large inputs come
    first, which profiles/default switches off.
    """

    async def measure_nothing(_jobs: Any) -> None:
        pass

    scheduler.job_rate_limiter = None
    settings = scheduler._scheduler.settings
    if getattr(settings, "omit_prioritize_by_temp_and_input", False):
        scheduler.update_input_sizes = measure_nothing
