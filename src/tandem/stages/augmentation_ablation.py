"""Measure the effect of each augmentation alone.

One model is trained without augmentation, and for each augmentation, one model is trained with only
that augmentation.

Reads   data/split/TASK/{train,validation,test}.parquet, models/TASK/pretrained, the model folders
        of `augmentation_ablation.TASK`; the params `runtime`, `TASK.train` and
        `TASK.augmentation_ablation`
Writes  reports/details/augmentation-ablation/TASK.json   by operation: scores on validation rows
                                                          with intervals, and differences from the
                                                          scores without augmentation

    tandem augmentation-ablation sentiment

All models are trained on the same rows, with the same seed, for the same number of steps, without
early stopping. Test rows are not scored, because the results are used to choose augmentations; test
rows are read only to drop derived rows with the same texts. Intervals of differences come from a
paired bootstrap.
"""

from tandem import metrics
from tandem.augmentation.common.derive import AblationParams, rows_to_augment
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.rows import Row, hash_sample, read_rows
from tandem.modeling.params import train_params


class Params(AblationParams):
    """The augmentations to try; `max_rows` and `batch_size` apply to the validation rows."""


def main(task: str) -> str:
    """Measure the augmentations of one task.

    Raises:
        ParamsError: params.yaml has no `augmentation_ablation.TASK`.
    """
    from tandem.augmentation.common.ablation import compare, derive_each, in_words

    project, spec = params.project(), tasks.load(task)
    if task not in project.augmentation_ablation:
        raise ParamsError(f"{paths.PARAMS}: augmentation_ablation.{task} is missing")
    stage_params = params.load(Params, task, "augmentation_ablation")
    training = train_params(spec)
    # Disable early stopping: at most one evaluation follows each step, so a patience of `max_steps`
    # evaluations cannot run out.
    training = training.model_copy(update={"early_stopping_patience": training.max_steps})
    train, held_out = rows_to_augment(spec)
    originals = hash_sample(train, training.max_rows)
    validation: list[Row] = list(read_rows(paths.split(task) / "validation.parquet", spec.row))
    monitored = hash_sample(validation, training.max_validation_rows)
    scored = metrics.sample(validation, stage_params.max_rows, "the validation rows")

    models, runtime = project.augmentation_ablation[task], project.runtime
    derived_rows = derive_each(
        originals, held_out, spec, stage_params.operations, stage_params.fraction, models, runtime
    )
    batch_size = stage_params.batch_size
    results = compare(
        spec, originals, derived_rows, monitored, scored, training, batch_size, runtime
    )
    output = paths.details("augmentation-ablation", task)
    with io.atomic_outputs(output) as (table,):
        io.write_details(table, results)
    return f"{in_words(results, spec.metrics[0])}; written to {output}"
