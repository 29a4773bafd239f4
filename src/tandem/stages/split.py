"""Split a task's rows into train, validation and test.

Clean rows are split by group, and no text occurs in two splits.

Reads   data/raw/TASK/rows.parquet, data/clean/TASK/rows.parquet; the params `TASK.split`
Writes  data/split/TASK/{train,validation,test}.parquet  in the order of the clean rows
        data/split/TASK/judge.parquet                    if params hold out rows for a judge
        data/split/TASK/dropped.parquet                  rows that would leak, with the reason
        reports/details/split/TASK.json                  counts, fractions by stratum, leak check

    tandem split sentiment

The split of a group depends on the raw rows and on params only, not on what cleaning kept. Tasks
with the same source have the same raw rows, so a test row of one task is never a training row of
another. This also holds if a task uses only some domains of the source, because each stratum has
one domain. Before anything is written, independent code verifies that no text is in two splits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.paths import JUDGE, SPLITS
from tandem.core.rows import Dropped, Row, read_rows, write_rows
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.splitting.judge_holdout import JudgeHoldout, set_aside, with_ratings
from tandem.splitting.leaks import require_no_leak, rows_to_drop
from tandem.splitting.stratified_groups import SplitRatios, assign
from tandem.text.leakage import verify_no_leaks
from tandem.text.minhash import NearDuplicates


class Params(StrictModel):
    """The `split` section of a task; tasks with the same source need the same values."""

    ratios: SplitRatios = SplitRatios()
    salt: str = Field(default="tandem", description="a different salt gives a different split")
    near_duplicates: NearDuplicates = NearDuplicates()
    judge_holdout: JudgeHoldout | None = Field(
        default=None, description="what is held out for an independent judge"
    )
    on_leak: Literal["drop_train", "drop_held_out"] = Field(
        default="drop_train", description="which row is dropped if a text is in two splits"
    )


def main(task: str) -> str:
    """Split the rows of one task.

    Raises:
        DataError: a split is empty, or the leak check fails.
    """
    stage_params, spec = params.load(Params, task, "split"), tasks.load(task)
    holdout, near_duplicates = stage_params.judge_holdout, stage_params.near_duplicates
    raw = read_rows(paths.raw(task) / paths.ROWS, spec.row)
    clean = read_rows(paths.clean(task) / paths.ROWS, spec.row)
    # Assign groups to splits, and find the rows to remove from their group's split.
    assignment = assign(raw, spec, stage_params.ratios, stage_params.salt)
    if holdout:
        assignment = set_aside(assignment, holdout, stage_params.salt)
    reasons = rows_to_drop(raw, clean, assignment, spec, near_duplicates, stage_params.on_leak)
    splits = {
        name: [row for row in clean if assignment[row.group] == name and row.id not in reasons]
        for name in ((*SPLITS, JUDGE) if holdout else SPLITS)
    }
    for name, rows in splits.items():
        if not rows:
            key = "judge_holdout.fraction" if name == JUDGE else f"ratios.{name}"
            raise DataError(f"{task}: no row is left for {name}: raise {task}.split.{key}")
    dropped = [
        Dropped(id=row.id, reason=reasons[row.id], text=row.text)
        for row in clean
        if row.id in reasons
    ]
    # Verify the result with independent code, then write it.
    verified = require_no_leak(task, verify_no_leaks(splits, spec, near_duplicates))
    with io.atomic_outputs(paths.split(task), paths.details("split", task)) as (folder, metrics):
        for name, rows in splits.items():
            if holdout:
                rows = [with_ratings(row, name, holdout.every_nth_rating) for row in rows]
            write_rows(folder / f"{name}.parquet", rows, spec.row)
        write_rows(folder / paths.DROPPED, dropped, Dropped)
        content = summary(splits, dropped, spec) | {"proof": verified}
        io.write_details(metrics, content)
    sizes = ", ".join(f"{name} {number:,}" for name, number in content["rows"].items())
    leaks = wording.counted(content["leaks_removed"], "leak")
    return f"rows: {sizes}; {leaks} removed; written to {paths.split(task)}"


def summary(
    splits: Mapping[str, Sequence[Row]], dropped: Sequence[Dropped], task: BaseTask
) -> dict[str, Any]:
    """Return the metrics: rows, groups and strata by split, and dropped rows by reason."""
    strata = {split: Counter(task.stratum(row) for row in rows) for split, rows in splits.items()}
    by_stratum = sum(strata.values(), Counter[str]())
    reasons = Counter(item.reason for item in dropped)
    return {
        "rows": {split: len(rows) for split, rows in splits.items()},
        "groups": {split: len({row.group for row in rows}) for split, rows in splits.items()},
        "shares": {
            split: round(len(rows) / by_stratum.total(), 4) for split, rows in splits.items()
        },
        "strata": {
            stratum: {split: round(strata[split][stratum] / count, 4) for split in splits}
            for stratum, count in sorted(by_stratum.items())
        },
        "dropped": reasons,
        "leaks_removed": sum(
            n for reason, n in reasons.items() if not reason.startswith("reserved")
        ),
    }
