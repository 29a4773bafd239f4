"""Measure how test scores vary across training seeds.

A task's model is trained and scored once with each seed.

The confidence interval of a score reflects the choice of test rows. The spread across seeds
reflects the initialization and the order of the training rows; a difference between models that is
smaller than this spread means little (Dodge et al. 2020, "Fine-Tuning Pretrained Language Models:
Weight Initializations, Data Orders, and Early Stopping").

Reads   what `tandem train` reads, and data/split/TASK/test.parquet; the params `runtime`,
        `seeds.TASK`, `TASK.train` and `TASK.evaluate`
Writes  reports/details/seeds/TASK.json   mean, standard deviation (n - 1) and values by seed of
                                          each metric; the models are not kept

    tandem seeds sentiment
"""

from tandem import metrics
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.progress import track
from tandem.modeling.params import train_params


def main(task: str) -> str:
    """Train and score one task's model with each of the task's seeds.

    Raises:
        ParamsError: params.yaml has no `seeds.TASK`.
    """
    from tandem.modeling.training import distributed

    project = params.project()
    if task not in project.seeds:
        raise ParamsError(f"{paths.PARAMS}: seeds.{task} is missing: add `runs: [13, 14, 15]`")
    distributed.launch(write, project.runtime.processes, task)
    path, first = paths.details("seeds", task), tasks.load(task).metrics[0]
    values = io.read_details(path)[first]
    return (
        f"{first.replace('_', ' ')} {values['mean']:.3f} on average over "
        f"{len(values['seeds'])} seeds, standard deviation {values['deviation']:.3f}; "
        f"written to {path}"
    )


def write(task: str) -> None:
    """Train and score the models; only the main process writes the scores."""
    from tandem.modeling.training import distributed
    from tandem.modeling.training.train_model import train_model, training_rows

    project, spec = params.project(), tasks.load(task)
    evaluation_params = params.load(metrics.EvaluationParams, task, "evaluate")
    stage_params = train_params(spec)
    rows, validation = training_rows(spec, stage_params)
    test = metrics.evaluation_rows(spec, evaluation_params.max_rows)
    runs: dict[int, metrics.Scores] = {}
    for seed in track(project.seeds[task].runs, "seeds", unit="models"):
        runtime = project.runtime.model_copy(update={"seed": seed})
        model, _ = train_model(spec, rows, validation, stage_params, runtime)
        predictions = model.predict(test, evaluation_params.batch_size)
        runs[seed] = metrics.score(spec, test, predictions, runtime)[0]
    if distributed.is_main_process():
        with io.atomic_outputs(paths.details("seeds", task)) as (partial,):
            io.write_details(partial, metrics.spread(runs))
