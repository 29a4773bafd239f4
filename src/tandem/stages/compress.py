"""Make a task's model smaller by one method.

Reads   models/TASK/base, data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet,
        the params `runtime` and `TASK.METHOD`
Writes  models/TASK/METHOD

    tandem compress sentiment int8
"""

from tandem import modeling
from tandem.compression import Given
from tandem.core import io, params, paths, registry
from tandem.core import task as tasks
from tandem.core.rows import read_rows
from tandem.modeling.seeding import pin_torch


def main(task: str, method: str) -> None:
    """Compress the trained model of one task by one method."""
    runtime = params.project().runtime
    module = registry.load("compression", method)
    settings = params.load(module.Params, task, method)
    known = tasks.load(task)
    rows = read_rows(paths.augmented(task) / "train.parquet", known.row)
    validation = read_rows(paths.split(task) / "validation.parquet", known.row)
    base = paths.model(task, "base")
    io.require(base)

    pin_torch(runtime)
    model = modeling.load(base, known)
    with io.writing(paths.model(task, method)) as (folder,):
        module.compress(Given(model, rows, validation, runtime, folder), settings)
