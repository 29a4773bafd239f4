"""Record which code each stage runs.

Each stage depends on its own file in workflow/code, so when code changes, only the stages that run
this code are rerun.

Reads   params.yaml, requirements.lock, src/tandem; dvc.yaml, which is not a declared dependency,
        because DVC does not let a stage depend on it
Writes  workflow/code/STAGE/TASK….json   the digest (ignoring comments and docstrings) of each
        source file in the stage's import closure; the locked versions of the packages that these
        files import

    tandem code
"""

from pathlib import Path

from tandem.core import io, paths, wording
from tandem.core.errors import StageError
from tandem.core.paths import is_code
from tandem.engines import code_closure, dvc_stages


def main() -> str:
    """Write a file in workflow/code for each stage in dvc.yaml that depends on such a file.

    Raises:
        StageError: dvc.yaml cannot be read or declares no output for a stage's record, or a source
            file cannot be parsed.
    """
    stages = list(dvc_stages.stages())
    # If a group of stages in dvc.yaml is empty, the group's folder is still created, without files.
    finals = [Path(out) for stage in stages for out in stage.outs if is_code(out)]
    with io.atomic_outputs(*finals) as partials:
        partial_of = dict(zip(finals, partials, strict=True))
        codes = code_closure.of_stages(stages)
        for path, code in codes.items():
            final = next((out for out in finals if Path(path).is_relative_to(out)), None)
            if final is None:
                raise StageError(
                    f"{paths.DAG}: no stage writes {path}; add it to the outs of the stage `code`"
                )
            io.write_json(partial_of[final] / Path(path).relative_to(final), code.model_dump())
    return f"{wording.counted(len(codes), 'file')} written to {paths.CODE}"
