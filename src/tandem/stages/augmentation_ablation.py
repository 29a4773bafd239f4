"""Measure what each augmentation does for a task: train without any, and with each one alone.

Reads   data/split/TASK/{train,validation,test}.parquet, models/TASK/pretrained, the model folders
        that `effects.TASK` names; the params `runtime`, `TASK.train` and `TASK.augmentation_effect`
Writes  reports/metrics/augmentation-effect/TASK.json   by operation: scores on validation rows with
                                                        intervals, and differences to `none`

    tandem augmentation-effect sentiment

All are trained on the same rows, with the same seed, for the same steps: none stops early. Test
rows are left alone, for the table is there to choose by. They only keep their texts from coming
about, as in `augment`. A difference's interval is of a paired bootstrap.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, field_validator

from tandem import metrics
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.params import plugin
from tandem.core.rows import Row, hash_sample, read_rows
from tandem.stages import augment, train

NONE = "none"


class Params(metrics.TestRows):
    """Which operations are tried; `max_rows` and `batch_size` are of the validation rows."""

    operations: list[plugin("augmentation")]  # type: ignore[valid-type]
    share: float = Field(gt=0, le=1, description="share of training rows that get a derived row")

    @field_validator("operations")
    @classmethod
    def _named_once(cls, operations: Sequence[Any]) -> Sequence[Any]:
        kinds = [each.kind for each in operations]
        if len(set(kinds)) < len(kinds):
            raise ValueError("an operation is named twice: each is tried once")
        return operations


def main(task: str) -> None:
    """Measure the operations of one task."""
    project, known = params.project(), tasks.load(task)
    if task not in project.effects:
        raise ParamsError(f"{paths.PARAMS}: effects.{task} is missing")
    settings = params.load(Params, task, "augmentation_effect")
    training = train.settings_of(known)
    training = training.model_copy(update={"patience": training.steps})
    everything, held_out = augment.rows_of(known)
    originals = hash_sample(everything, training.max_rows)
    validation: list[Row] = list(read_rows(paths.split(task) / "validation.parquet", known.row))
    watched = hash_sample(validation, training.max_validation_rows)
    judged = metrics.sample(validation, settings.max_rows, "the validation rows")

    arms: dict[str, list[Row]] = {NONE: []}
    for operation in settings.operations:
        alone = augment.Params(operations=[operation], share=settings.share)
        lent = project.effects[task]
        derived, _ = augment.derive(originals, held_out, known, alone, lent, project.runtime)
        arms[operation.kind] = derived
    found: dict[str, Any] = {}
    without: dict[str, Any] = {}
    for name, derived in arms.items():
        rows = [*originals, *derived]
        model, _ = train.trained(known, rows, watched, training, project.runtime)
        answers = model.predict(judged, settings.batch_size)
        scores, tables = metrics.score(known, judged, answers, project.runtime)
        without = without or tables
        found[name] = {"derived": len(derived)} | {key: scores[key] for key in known.metrics}
        if name != NONE:
            gains = metrics.difference(known, judged, tables, without, project.runtime)
            found[name] |= {f"{key}/difference": gain for key, gain in gains.items()}
    with io.writing(paths.metrics("augmentation-effect", task)) as (table,):
        io.write_json(table, found)
