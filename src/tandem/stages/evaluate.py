"""Score one variant of a task's model on the test rows.

Reads   data/split/TASK/test.parquet, models/TASK/VARIANT; the params `runtime` and
        `TASK.evaluate`
Writes  reports/predictions/TASK/VARIANT.parquet     the prediction for each test row, statistics
        reports/metrics/evaluate/TASK-VARIANT.json   scores with intervals, size of the weights

    tandem evaluate sentiment base
"""

from tandem import metrics
from tandem.core import io, params, paths
from tandem.core import task as tasks


class Params(metrics.EvaluationParams):
    """Which test rows are scored, the same for baselines and all variants."""


def main(task: str, variant: str) -> None:
    """Evaluate one variant of one task's model."""
    from tandem import modeling
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.modeling.weight_stats import weight_stats

    runtime, spec = params.project().runtime, tasks.load(task)
    stage_params = params.load(Params, task, "evaluate")
    rows = metrics.evaluation_rows(spec, stage_params.max_rows)
    folder = paths.model(task, variant)

    make_torch_deterministic(runtime)
    model = modeling.load(folder, spec)
    predictions = model.predict(rows, stage_params.batch_size)
    scores, tables = metrics.score(spec, rows, predictions, runtime)

    outputs = paths.predictions(task, variant), paths.metrics("evaluate", f"{task}-{variant}")
    with io.atomic_outputs(*outputs) as (table, scores_file):
        metrics.write_predictions(table, rows, predictions, tables)
        io.write_json(scores_file, scores | weight_stats(folder))
