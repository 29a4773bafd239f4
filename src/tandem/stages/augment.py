"""Derive new training rows by random edits or models.

Reads   data/split/TASK/{train,validation,test}.parquet; the model folders of
        `augmentation_models.TASK`, if an operation uses a model; the params `runtime` and
        `TASK.augment`
Writes  data/augmented/TASK/train.parquet    the training rows, then the derived ones
        reports/details/augment/TASK.json    counts by operation

    tandem augment sentiment

A derived row keeps the group, domain and annotation (such as the label) of the row that it is
derived from. Only `text` changes; spans and `{placeholders}` are kept. A derived row whose text
occurs in validation or test is dropped.
"""

from tandem.augmentation.common.derive import AugmentParams, derive, rows_to_augment
from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.rows import write_rows

Params = AugmentParams


def main(task: str) -> str:
    """Augment the training rows of one task."""
    stage_params, project = params.load(Params, task, "augment"), params.project()
    spec = tasks.load(task)
    train, held_out = rows_to_augment(spec)
    derived, counts = derive(
        train, held_out, spec, stage_params, project.models_of(task), project.runtime
    )
    operations = {item.kind: counts[item.kind] for item in stage_params.operations}
    summary = {
        "originals": len(train),
        "derived": len(derived),
        "operations": operations,
        "left_out": {name: counts[name] for name in ("unchanged", "held_out_text")},
    }
    outputs = paths.augmented(task), paths.details("augment", task)
    with io.atomic_outputs(*outputs) as (folder, metrics):
        write_rows(folder / "train.parquet", [*train, *derived], spec.row)
        io.write_details(metrics, summary)
    named = f" ({wording.most_frequent(operations)})" if derived else ""
    return (
        f"{wording.counted(len(train), 'original row')} and "
        f"{wording.counted(len(derived), 'derived row')}{named}; written to {paths.augmented(task)}"
    )
