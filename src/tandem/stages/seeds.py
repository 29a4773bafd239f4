"""Train a task's model anew with several seeds, and tell how far its test scores spread.

An interval says what other test rows would change; this says what another order of the training
rows and another start of the head would. Differences between models that are smaller than it mean
little (Dodge et al. 2020, "Fine-Tuning Pretrained Language Models: Weight Initializations, Data
Orders, and Early Stopping").

Reads   what `tandem train` reads, and data/split/TASK/test.parquet; the params `runtime`,
        `seeds.TASK`, `TASK.train` and `TASK.evaluate`
Writes  reports/metrics/seeds/TASK.json   each metric's mean, standard deviation (n - 1) and
                                          value for each seed; the models are not kept

    tandem seeds sentiment
"""

import statistics
from typing import Any

from tandem import metrics
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.rows import read_rows
from tandem.stages import train


def main(task: str) -> None:
    """Train and score one task's model with each of its seeds.

    Raises:
        ParamsError: the task has no seeds.
    """
    from tandem.modeling.training import distributed

    project = params.project()
    if task not in project.seeds:
        raise ParamsError(f"{paths.PARAMS}: seeds.{task} is missing: give it `runs: [13, 14, 15]`")
    distributed.run(write, project.runtime.processes, task)


def write(task: str) -> None:
    """The stage's work; of several processes, the first writes."""
    from tandem.modeling.training import distributed

    project = params.project()
    settings = params.load(metrics.TestRows, task, "evaluate")
    known = tasks.load(task)
    training = train.settings_of(known)
    learnt, watched = train.rows_of(known, training)
    source = paths.split(task) / "test.parquet"
    rows = metrics.sample(read_rows(source, known.row), settings.max_rows, str(source))
    runs: dict[int, metrics.Scores] = {}
    for seed in project.seeds[task].runs:
        runtime = project.runtime.model_copy(update={"seed": seed})
        model, _ = train.trained(known, learnt, watched, training, runtime)
        answers = model.predict(rows, settings.batch_size)
        runs[seed] = metrics.score(known, rows, answers, runtime)[0]
    if distributed.is_first():
        with io.writing(paths.metrics("seeds", task)) as (partial,):
            io.write_json(partial, spread(runs))


def spread(runs: dict[int, metrics.Scores]) -> dict[str, Any]:
    """Each metric's mean, standard deviation and values by seed, from scores by seed.

    >>> runs = {13: {"accuracy": {"value": 0.5}}, 14: {"accuracy": {"value": 0.75}}}
    >>> spread(runs)["accuracy"]["mean"]
    0.625
    """
    by_metric = {
        metric: {str(seed): scores[metric]["value"] for seed, scores in runs.items()}
        for metric in next(iter(runs.values()))
    }
    return {
        metric: {
            "mean": metrics.digits(statistics.fmean(values.values())),
            "deviation": metrics.digits(statistics.stdev(values.values())),
            "seeds": values,
        }
        for metric, values in by_metric.items()
    }
