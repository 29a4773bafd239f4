"""Score one variant of a model on the test rows.

Reads   data/split/TASK/test.parquet, models/TASK/VARIANT; the params `runtime` and
        `TASK.evaluate`
Writes  reports/predictions/TASK/VARIANT.parquet     prediction and statistics of each test row
        reports/metrics/TASK/VARIANT.json            main scores, for `dvc metrics show`
        reports/details/evaluate/TASK-VARIANT.json   scores with intervals, size of the weights
        reports/plots/evaluate/TASK-VARIANT.csv      true and predicted labels; no rows if the task
                                                     has no labels

    tandem evaluate sentiment base
"""

from tandem import metrics
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks


class Params(metrics.EvaluationParams):
    """The test rows to score, which are the same for the baselines and all variants."""


def main(task: str, variant: str) -> str:
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

    name = f"{task}-{variant}"
    with io.atomic_outputs(
        paths.predictions(task, variant),
        paths.metrics(task, variant),
        paths.details("evaluate", name),
        paths.plots("evaluate", name),
    ) as (table, main_scores, details, plot):
        metrics.write_predictions(table, rows, predictions, tables)
        io.write_json(main_scores, metrics.main_scores(spec, scores))
        io.write_details(details, scores | weight_stats(folder))
        metrics.write_labels(plot, rows, predictions)
    return (
        f"{wording.scores(scores, spec.metrics)} on {wording.counted(len(rows), 'test row')}; "
        f"written to {paths.details('evaluate', name)}"
    )
