"""Score a task's baselines on the test rows that models are scored on.

Reads   data/split/TASK/{train,test}.parquet, models/TASK/pretrained; the params `runtime`,
        `TASK.baseline` and, for the test rows, `TASK.evaluate`
Writes  reports/predictions/TASK/baseline/NAME.parquet   the answer to each test row, and statistics
        reports/metrics/baseline/TASK.json               scores with intervals, by baseline

    tandem baseline sentiment

If test rows have human ratings, `human` scores single raters against the mean of the others.
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
    """What baselines may learn from."""

    max_train_rows: int | None = Field(default=None, ge=1)
    """At most this many training rows, the first by hashed id; null takes all."""


def main(task: str) -> str:
    """Score the baselines of one task."""
    runtime, spec = params.project().runtime, tasks.load(task)
    settings = params.load(Params, task, "baseline")
    testing = params.load(metrics.EvaluationParams, task, "evaluate")
    source = paths.split(task) / "train.parquet"
    train = metrics.sample(read_rows(source, spec.row), settings.max_train_rows, str(source))
    test = metrics.evaluation_rows(spec, testing.max_rows)
    context = baselines.BaselineContext(
        runtime=runtime,
        pretrained=paths.model(task, "pretrained"),
        batch_size=testing.batch_size,
    )
    outputs = paths.baseline_predictions(task), paths.metrics("baseline", task)
    with io.atomic_outputs(*outputs) as (folder, figures):
        results = {}
        for name in track(spec.baselines, "baselines", unit="baselines"):
            answers = baselines.load(name).predict(spec, train, test, context)
            results[name], table = metrics.score(spec, test, answers, runtime)
            metrics.write_predictions(folder / f"{name}.parquet", test, answers, table)
        truths, answers = human.judgements(spec, test)
        if truths:
            results["human"], table = metrics.score(spec, truths, answers, runtime)
            metrics.write_predictions(folder / "human.parquet", truths, answers, table)
        io.write_json(figures, results)
    first = spec.metrics[0]
    values = ", ".join(f"{name} {scores[first]['value']:.3f}" for name, scores in results.items())
    return (
        f"{first.replace('_', ' ')} on {wording.counted(len(test), 'test row')}: {values}; "
        f"written to {outputs[1]}"
    )
