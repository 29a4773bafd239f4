# The DAG of dvc.yaml under Snakemake: Snakemake schedules, DVC executes and records.
#
#   snakemake -c2                              run the stale stages, on two cores
#   snakemake -c2 models/sentiment/int8        run the stages that this output needs
#   snakemake -n                               print what would run
#
# workflow/rules/stages.smk creates one rule for each stage in dvc.yaml, so this file does not have
# to be kept in sync with dvc.yaml.
from snakemake.utils import min_version

from tandem.engines import job, locks, plan, run_display
from tandem.patches import snakemake as snakemake_patches

min_version("9.0")


report: "workflow/report/workflow.rst"


snakemake_patches.patch(workflow)
plan.use_this_environment()
with plan.exit_on_user_error():
    plan.refuse_config(config)
    PLAN = plan.make_plan() if workflow.is_main_process else plan.read_plan()
STAGES = PLAN.stages


rule all:
    default_target: True
    input:
        [output for stage in STAGES if stage.default for output in stage.outputs],


include: "workflow/rules/stages.smk"


onstart:
    with plan.exit_on_user_error():
        PLAN.start()
    if workflow.local_exec:
        snakemake_patches.patch_scheduler(workflow.scheduler)
        PLAN.start_servers()
    # Start the progress display last: it starts a thread, and the stage server must be forked
    # before that thread starts.
    run_display.start(workflow, [stage.name for stage in STAGES])


onsuccess:
    locks.back_up_dvc_lock()
