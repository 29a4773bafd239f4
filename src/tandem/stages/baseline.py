"""Score what a model has to beat, on the same test rows.

Reads   data/split/TASK/{train,test}.parquet, models/TASK/pretrained; the params `runtime`,
        `TASK.baseline` and, for the test rows, `TASK.evaluate`
Writes  reports/predictions/TASK/baseline/NAME.parquet   each test row's answer, and statistics
        reports/metrics/baseline/TASK.json               scores with intervals, by baseline

Where test rows have human ratings, "human" scores single raters against the mean of the others.

    tandem baseline sentiment
"""

from pydantic import Field

from tandem import metrics
from tandem.baselines import Settings
from tandem.baselines.common import human
from tandem.core import io, params, paths, registry
from tandem.core import task as tasks
from tandem.core.params import Strict
from tandem.core.rows import read_rows


class Params(Strict):
    """What the baselines may learn from."""

    max_train_rows: int | None = Field(ge=1)
    """Training rows at the most, the first in the order of their ids' hashes; null takes all."""


def main(task: str) -> None:
    """Score a task's baselines."""
    runtime = params.project().runtime
    limits = params.load(Params, task, "baseline")
    testing = params.load(metrics.TestRows, task, "evaluate")
    known = tasks.load(task)
    rows = {
        split: metrics.sample(read_rows(source, known.row), most, str(source))
        for split, most in (("train", limits.max_train_rows), ("test", testing.max_rows))
        if (source := paths.split(task) / f"{split}.parquet")
    }
    settings = Settings(
        runtime=runtime,
        pretrained=paths.model(task, "pretrained"),
        batch_size=testing.batch_size,
    )
    folder = paths.predictions(task, "baseline").with_suffix("")
    with io.writing(folder, paths.metrics("baseline", task)) as (tables, figures):
        found = {}
        for name in known.baselines:
            baseline = registry.load("baselines", name)
            answers = baseline.predict(known, rows["train"], rows["test"], settings)
            found[name], table = metrics.score(known, rows["test"], answers, runtime)
            metrics.write_predictions(tables / f"{name}.parquet", rows["test"], answers, table)
        truths, answers = human.judgements(known, rows["test"])
        if truths:
            found["human"], table = metrics.score(known, truths, answers, runtime)
            metrics.write_predictions(tables / "human.parquet", truths, answers, table)
        io.write_json(figures, found)
