"""Score a task's baselines on the test rows.

All variants of the task's model are scored on the same test rows as its baselines.

Reads   data/split/TASK/{train,test}.parquet, models/TASK/pretrained; the params `runtime`,
        `TASK.baseline` and, for the test rows, `TASK.evaluate`
Writes  reports/predictions/TASK/baseline/NAME.parquet   prediction and statistics of each test row
        reports/details/baseline/TASK.json               scores with intervals, by baseline

    tandem baseline sentiment

If test rows have ratings, the baseline `human` compares each rating with the mean of the row's
other ratings.
"""

from pydantic import Field

from tandem import baselines, metrics
from tandem.baselines.common import human
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.progress import track
from tandem.core.rows import read_rows
from tandem.core.schema import StrictModel


class Params(StrictModel):
    """The number of training rows that baselines may learn from."""

    max_train_rows: int | None = Field(default=None, ge=1)
    """Maximum number of training rows, taken in the order of hashed ids; null uses all of them."""


def main(task: str) -> str:
    """Score the baselines of one task."""
    runtime, spec = params.project().runtime, tasks.load(task)
    stage_params = params.load(Params, task, "baseline")
    evaluation_params = params.load(metrics.EvaluationParams, task, "evaluate")
    source = paths.split(task) / "train.parquet"
    train = metrics.sample(read_rows(source, spec.row), stage_params.max_train_rows, str(source))
    test = metrics.evaluation_rows(spec, evaluation_params.max_rows)
    context = baselines.BaselineContext(
        runtime=runtime,
        pretrained=paths.model(task, "pretrained"),
        batch_size=evaluation_params.batch_size,
    )
    outputs = paths.baseline_predictions(task), paths.details("baseline", task)
    with io.atomic_outputs(*outputs) as (folder, metrics_file):
        results = {}
        for name in track(spec.baselines, "baselines", unit="baselines"):
            predictions = baselines.load(name).predict(spec, train, test, context)
            results[name], table = metrics.score(spec, test, predictions, runtime)
            metrics.write_predictions(folder / f"{name}.parquet", test, predictions, table)
        references, predictions = human.judgements(spec, test)
        if references:
            results["human"], table = metrics.score(spec, references, predictions, runtime)
            metrics.write_predictions(folder / "human.parquet", references, predictions, table)
        io.write_details(metrics_file, results)
    metric = spec.metrics[0]
    values = ", ".join(f"{name} {scores[metric]['value']:.3f}" for name, scores in results.items())
    return (
        f"{metric.replace('_', ' ')} on {wording.counted(len(test), 'test row')}: {values}; "
        f"written to {outputs[1]}"
    )
