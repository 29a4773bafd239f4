# One loop, one rule a stage of dvc.yaml.
#
# A stale stage gets a file as an input that is newer than its outputs: its reason to run. The
# other inputs are ancient(), so that no mtime starts anything, save those that a stale stage
# makes, which have to run first. DVC restores from its cache what turns out unchanged.
#
# The log file holds all that a job prints, while it prints it. The main process shows what a log
# gains (tandem.engines.run_display), so no pipe stands between a job and its log.
STALE_OUTPUTS = {path for stage in STAGES if stage.stale for path in stage.outputs}

for stage in STAGES:

    rule:
        name:
            stage.name
        input:
            [path if path in STALE_OUTPUTS else ancient(path) for path in stage.inputs],
            reason=str(stage.reason) if stage.stale else [],
        output:
            [
                (
                    directory(path)
                    if plan.is_folder(path)
                    else (
                        report(
                            path, category=stage.group, caption="../report/stage.rst"
                        )
                        if path in stage.results
                        else path
                    )
                )
                for path in stage.outputs
            ],
        log:
            str(stage.log),
        priority: stage.priority
        conda:
            "../envs/tandem.yaml"
        threads: stage.threads
        resources:
            mem_mb=stage.mem_mb,
            gpu=stage.gpu,
        params:
            job=job.__file__,
            target=stage.target,
        message:
            f"{stage.name}: {stage.desc}"
        shell:
            "python -SE {params.job} {params.target} >>{log} 2>&1"
