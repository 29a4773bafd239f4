"""Measure the effect of each augmentation: train without any, and with each one alone.

Reads   data/split/TASK/{train,validation,test}.parquet, models/TASK/pretrained, the model folders
        of `augmentation_ablation.TASK`; the params `runtime`, `TASK.train` and
        `TASK.augmentation_ablation`
Writes  reports/metrics/augmentation-ablation/TASK.json   by operation: scores on validation rows
                                                          with intervals, differences to `none`

    tandem augmentation-ablation sentiment

All models are trained on the same rows, with the same seed, for the same number of steps, without
early stopping. Test rows are not scored, because the table is there to choose by; they are read
only to drop derived rows with their texts, as `augment` does. Intervals of differences come from a
paired bootstrap.
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
    """Which operations are tried; `max_rows` and `batch_size` are those of the validation rows."""

    operations: list[AnyAugmentation]
    fraction: float = Field(
        gt=0, le=1, description="fraction of training rows that get a derived row"
    )

    @field_validator("operations")
    @classmethod
    def _unique(cls, operations: Sequence[Any]) -> Sequence[Any]:
        kinds = [operation.kind for operation in operations]
        if len(set(kinds)) < len(kinds):
            raise ValueError("an operation is listed twice; each is tried once")
        return operations


def main(task: str) -> str:
    """Measure the operations of one task.

    Raises:
        ParamsError: params.yaml has no `augmentation_ablation.TASK`.
    """
    from tandem.modeling.training.train_model import train_model

    project, spec = params.project(), tasks.load(task)
    if task not in project.augmentation_ablation:
        raise ParamsError(f"{paths.PARAMS}: augmentation_ablation.{task} is missing")
    settings = params.load(Params, task, "augmentation_ablation")
    training = train_params(spec)
    training = training.model_copy(update={"patience": training.max_steps})
    train, held_out = rows_to_augment(spec)
    originals = hash_sample(train, training.max_rows)
    validation: list[Row] = list(read_rows(paths.split(task) / "validation.parquet", spec.row))
    watched = hash_sample(validation, training.max_validation_rows)
    scored = metrics.sample(validation, settings.max_rows, "the validation rows")

    arms: dict[str, list[Row]] = {NONE: []}
    for operation in settings.operations:
        alone = AugmentParams(operations=[operation], fraction=settings.fraction)
        models, runtime = project.augmentation_ablation[task], project.runtime
        arms[operation.kind], _ = derive(originals, held_out, spec, alone, models, runtime)
    results: dict[str, Any] = {}
    without: dict[str, Any] = {}
    for name, derived in track(arms.items(), "operations", unit="models"):
        rows = [*originals, *derived]
        model, _ = train_model(spec, rows, watched, training, project.runtime)
        answers = model.predict(scored, settings.batch_size)
        scores, tables = metrics.score(spec, scored, answers, project.runtime)
        without = without or tables
        results[name] = {"derived": len(derived)} | {key: scores[key] for key in spec.metrics}
        if name != NONE:
            gains = metrics.difference(spec, scored, tables, without, project.runtime)
            results[name] |= {f"{key}/difference": gain for key, gain in gains.items()}
    final = paths.metrics("augmentation-ablation", task)
    with io.atomic_outputs(final) as (table,):
        io.write_json(table, results)
    first = spec.metrics[0]
    gains = {name: values.get(f"{first}/difference") for name, values in results.items()}
    shown = ", ".join(f"{name} {gain['value']:+.3f}" for name, gain in gains.items() if gain)
    return (
        f"{wording.score(first, results[NONE][first])} without augmentation"
        f"{f'; differences: {shown}' if shown else ''}; written to {final}"
    )
