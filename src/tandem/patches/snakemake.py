"""Patches for Snakemake in a workflow whose stages DVC executes.

Without these patches, Snakemake may start jobs that DVC then skips or restores from its cache, and
planning and scheduling take longer. docs/decisions/0001 and 0005 give the reasons and the
measurements.
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
    """Keep Snakemake from removing a job's outputs before the job starts or after it has failed.

    DVC itself removes the outputs of a stage that it runs. DVC skips a stage whose inputs have not
    changed, but only if the stage's outputs still exist.
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
    """Let only modification times trigger a job, whichever profile is used.

    DVC decides by content which stages are stale. Snakemake also compares code, params and inputs
    with its own records of earlier runs, which do not include stages that DVC has run without
    Snakemake. profiles/default sets the option `rerun-triggers` for the same purpose, but a user
    may choose another profile.
    """
    from snakemake.settings.enums import RerunTrigger

    type(workflow).rerun_triggers = frozenset({RerunTrigger.MTIME})


def silence_missing_metadata(workflow: Any) -> None:
    """Suppress the message about outputs without metadata: DVC may have made these outputs."""
    workflow.log_missing_metadata_info = lambda: None


def skip_work_for_clusters(scheduler: Any) -> None:
    """Before each selection of jobs, skip the work that the scheduler does only for clusters.

    A limit on jobs per second protects a cluster's scheduler. With a limit, the scheduler of
    Snakemake runs again one second after each run, and also each time a job ends. Snakemake
    also reads the input sizes of all ready jobs. These sizes matter only if jobs with large
    inputs are started first; profiles/default turns this preference off.
    """

    async def measure_nothing(_jobs: Any) -> None:
        pass

    scheduler.job_rate_limiter = None
    settings = scheduler._scheduler.settings
    if getattr(settings, "omit_prioritize_by_temp_and_input", False):
        scheduler.update_input_sizes = measure_nothing
