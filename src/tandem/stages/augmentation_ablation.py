"""Measure the effect of each augmentation on its own.

A model is trained without augmentation, then one model with each augmentation alone.

Reads   data/split/TASK/{train,validation,test}.parquet, models/TASK/pretrained, the model folders
        of `augmentation_ablation.TASK`; the params `runtime`, `TASK.train` and
        `TASK.augmentation_ablation`
Writes  reports/details/augmentation-ablation/TASK.json   by operation: scores on validation rows
                                                          with intervals, differences from `none`

    tandem augmentation-ablation sentiment

All models are trained on the same rows, with the same seed, for the same number of steps, without
early stopping. Test rows are not scored, because the table serves to choose augmentations; they are
read only to drop derived rows with the same texts. Intervals of differences come from a paired
bootstrap.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from tandem import metrics
from tandem.augmentation import AnyAugmentation
from tandem.augmentation.common.derive import AugmentParams, derive, rows_to_augment
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.progress import track
from tandem.core.rows import Row, hash_sample, read_rows
from tandem.modeling.params import train_params

NONE = "none"


class Params(metrics.EvaluationParams):
    """Which operations to try; `max_rows` and `batch_size` apply to the validation rows."""

    operations: list[AnyAugmentation]
    """The augmentations to measure, each on its own."""
    fraction: float = Field(
        gt=0, le=1, description="fraction of training rows that get a derived row"
    )

    @field_validator("operations")
    @classmethod
    def _unique(cls, operations: Sequence[Any]) -> Sequence[Any]:
        kinds = [operation.kind for operation in operations]
        if len(set(kinds)) < len(kinds):
            raise ValueError("an operation is listed twice: remove one")
        return operations


def main(task: str) -> str:
    """Measure the augmentations of one task.

    Raises:
        ParamsError: params.yaml has no `augmentation_ablation.TASK`.
    """
    from tandem.modeling.training.train_model import train_model

    project, spec = params.project(), tasks.load(task)
    if task not in project.augmentation_ablation:
        raise ParamsError(f"{paths.PARAMS}: augmentation_ablation.{task} is missing")
    stage_params = params.load(Params, task, "augmentation_ablation")
    training = train_params(spec)
    # No early stopping: with at most one evaluation per step, patience cannot run out.
    training = training.model_copy(update={"early_stopping_patience": training.max_steps})
    train, held_out = rows_to_augment(spec)
    originals = hash_sample(train, training.max_rows)
    validation: list[Row] = list(read_rows(paths.split(task) / "validation.parquet", spec.row))
    monitored = hash_sample(validation, training.max_validation_rows)
    scored = metrics.sample(validation, stage_params.max_rows, "the validation rows")

    # The derived rows of each model: none, then those of one operation each.
    models, runtime = project.augmentation_ablation[task], project.runtime
    derived_rows: dict[str, list[Row]] = {NONE: []}
    for operation in stage_params.operations:
        single = AugmentParams(operations=[operation], fraction=stage_params.fraction)
        derived_rows[operation.kind], _ = derive(originals, held_out, spec, single, models, runtime)
    # Train and score each model; the first one, without augmentation, is the reference.
    results: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    for name, derived in track(derived_rows.items(), "operations", unit="models"):
        rows = [*originals, *derived]
        model, _ = train_model(spec, rows, monitored, training, runtime)
        predictions = model.predict(scored, stage_params.batch_size)
        scores, tables = metrics.score(spec, scored, predictions, runtime)
        reference = reference or tables
        results[name] = {"derived": len(derived)} | {key: scores[key] for key in spec.metrics}
        if name != NONE:
            differences = metrics.difference(spec, scored, tables, reference, runtime)
            results[name] |= {f"{key}/difference": value for key, value in differences.items()}
    output = paths.details("augmentation-ablation", task)
    with io.atomic_outputs(output) as (table,):
        io.write_details(table, results)
    metric = spec.metrics[0]
    gains = {name: values.get(f"{metric}/difference") for name, values in results.items()}
    listed = ", ".join(f"{name} {gain['value']:+.3f}" for name, gain in gains.items() if gain)
    return (
        f"{wording.score(metric, results[NONE][metric])} without augmentation"
        f"{f'; differences: {listed}' if listed else ''}; written to {output}"
    )
