# This loop creates one rule for each stage of dvc.yaml.
#
# A stale stage has an additional input, its trigger file, which is newer than its outputs. Inputs
# that a stale stage writes are plain inputs, because they have to be written first. All other
# inputs are marked ancient(), so that their modification times start no job. If the inputs of a job
# turn out unchanged, DVC skips or restores its stage.
#
# Everything that a job prints is written to its log file immediately. The main process shows new
# lines of the log (tandem.engines.run_display), so no pipe is needed between a job and its log.
STALE_OUTPUTS = {path for stage in STAGES if stage.stale for path in stage.outputs}

for stage in STAGES:

    rule:
        name:
            stage.name
        input:
            [path if path in STALE_OUTPUTS else ancient(path) for path in stage.inputs],
            trigger=str(stage.trigger_file) if stage.stale else [],
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
            str(stage.log_file),
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
