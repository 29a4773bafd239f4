# The DAG of dvc.yaml under Snakemake: Snakemake schedules, DVC executes and records.
#
#   snakemake -c2                              what is stale, on two cores
#   snakemake -c2 models/sentiment/int8        just this, and what it needs
#   snakemake -n                               what would run
#
# There is nothing to keep in step with dvc.yaml here: workflow/rules/stages.smk makes one rule
# of each stage.
from snakemake.settings.enums import RerunTrigger
from snakemake.utils import min_version

from tandem.engines import job, plan, run_display, torch_server

min_version("9.0")


report: "workflow/report/workflow.rst"


# What is stale is DVC's word, by content: Snakemake must not find reasons of its own in what it
# remembers of earlier runs. The option --rerun-triggers mtime says so too, but a plain
# `snakemake -n` has to be right without it.
type(workflow).rerun_triggers = frozenset({RerunTrigger.MTIME})
workflow.log_missing_metadata_info = plan.say_nothing
plan.leave_outputs_to_dvc()
plan.use_this_environment()
with plan.exit_on_user_error():
    STAGES = plan.plan() if workflow.is_main_process else plan.read_plan()


rule all:
    default_target: True
    input:
        [output for stage in STAGES if stage.default for output in stage.outputs],


include: "workflow/rules/stages.smk"


onstart:
    with plan.exit_on_user_error():
        plan.RUN_LOCK = plan.acquire_run_lock()
        plan.add_sources()
    if workflow.local_exec:
        plan.schedule_at_once(workflow.scheduler)
        STAGE_SERVER = plan.start_server(plan.RUN_LOCK)
        TORCH_SERVER = torch_server.start_server(
            stage.name for stage in STAGES if stage.stale
        )
    # last, since it starts a thread and the servers are forked
    run_display.start(workflow, [stage.name for stage in STAGES])


onsuccess:
    plan.back_up_dvc_lock()
