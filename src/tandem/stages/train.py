"""Train a task's model.

Training uses early stopping on the validation rows.

Reads   data/augmented/TASK/train.parquet, data/split/TASK/validation.parquet,
        models/TASK/pretrained; the params `runtime` and `TASK.train`
Writes  models/TASK/base                   the model, for transformers' `from_pretrained`
        reports/details/train/TASK.json    validation scores, steps, rows, parameters
        reports/plots/train/TASK.csv       the losses by step

    tandem train sentiment
"""

from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.modeling.params import TrainParams, train_params

Params = TrainParams


def main(task: str) -> str:
    """Train the model of one task."""
    from tandem.modeling.training import distributed

    distributed.launch(write, params.project().runtime.processes, task)
    metrics = io.read_details(paths.details("train", task))
    first = tasks.load(task).metrics[0]
    return (
        f"{metrics['steps']:,} steps on {wording.counted(metrics['rows'], 'row')}, "
        f"validation loss {metrics['validation_loss']:.3f}, "
        f"{wording.score(first, metrics['validation'][first])} on validation rows; "
        f"written to {paths.model(task, 'base')}"
    )


def write(task: str) -> None:
    """Train and write the model; if there are several processes, only the main one writes it."""
    from tandem import metrics
    from tandem.modeling.training import distributed
    from tandem.modeling.training.artifacts import write_fitted
    from tandem.modeling.training.train_model import train_model, training_rows

    runtime, spec = params.project().runtime, tasks.load(task)
    stage_params = train_params(spec)
    rows, validation = training_rows(spec, stage_params)
    model, history = train_model(spec, rows, validation, stage_params, runtime)
    if distributed.is_main_process():
        predictions = model.predict(validation, 2 * stage_params.batch_size)
        scores = metrics.score(spec, validation, predictions, runtime)[0]
        results = {"rows": len(rows), "validation": scores}
        write_fitted("train", task, "base", model, history, results)
