"""Compress a task's model with one method.

Reads   models/TASK/base, data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet;
        the params `runtime` and `TASK.METHOD`
Writes  models/TASK/METHOD    the smaller or faster model

    tandem compress sentiment int8
"""

from tandem import compression
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.rows import read_rows


def main(task: str, method: str) -> str:
    """Compress one task's trained model with one method."""
    from tandem import modeling
    from tandem.modeling.seeding import make_torch_deterministic

    runtime, spec = params.project().runtime, tasks.load(task)
    module = compression.load(method)
    stage_params = params.load(module.Params, task, method)
    rows = read_rows(paths.augmented(task) / "train.parquet", spec.row)
    validation = read_rows(paths.split(task) / "validation.parquet", spec.row)
    base = paths.model(task, "base")
    io.require_exists(base)

    make_torch_deterministic(runtime)
    model = modeling.load(base, spec)
    with io.atomic_outputs(paths.model(task, method)) as (folder,):
        module.compress(
            compression.CompressionContext(model, rows, validation, runtime, folder), stage_params
        )
    final = paths.model(task, method)
    before, after = wording.weights_size(base), wording.weights_size(final)
    return (
        f"weights {wording.file_size(before)} before, {wording.file_size(after)} after "
        f"({100 * after / before:.0f} %); written to {final}"
    )
