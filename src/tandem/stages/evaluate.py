"""Score one variant of a task's model on the test rows.

Reads   data/split/TASK/test.parquet, models/TASK/VARIANT; the params `runtime` and
        `TASK.evaluate`
Writes  reports/predictions/TASK/VARIANT.parquet     the answer to each test row, and statistics
        reports/metrics/evaluate/TASK-VARIANT.json   scores with intervals, size of the weights

    tandem evaluate sentiment base
"""

from tandem import metrics
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks


class Params(metrics.EvaluationParams):
    """Which test rows are scored, the same for baselines and all variants."""


def main(task: str, variant: str) -> str:
    """Evaluate one variant of one task's model."""
    from tandem import modeling
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.modeling.weight_stats import weight_stats

    runtime, spec = params.project().runtime, tasks.load(task)
    settings = params.load(Params, task, "evaluate")
    rows = metrics.evaluation_rows(spec, settings.max_rows)
    folder = paths.model(task, variant)

    make_torch_deterministic(runtime)
    model = modeling.load(folder, spec)
    answers = model.predict(rows, settings.batch_size)
    scores, tables = metrics.score(spec, rows, answers, runtime)

    outputs = paths.predictions(task, variant), paths.metrics("evaluate", f"{task}-{variant}")
    with io.atomic_outputs(*outputs) as (predictions, figures):
        metrics.write_predictions(predictions, rows, answers, tables)
        io.write_json(figures, scores | weight_stats(folder))
    return (
        f"{wording.scores(scores, spec.metrics)} on {wording.counted(len(rows), 'test row')}; "
        f"written to {outputs[1]}"
    )
