"""Split a task's clean rows into train, validation and test, by group, with no text in two splits.

Reads   data/raw/TASK/rows.parquet, data/clean/TASK/rows.parquet; the params `TASK.split`
Writes  data/split/TASK/{train,validation,test}.parquet  in the order of the clean rows
        data/split/TASK/judge.parquet                    if params set rows aside for a judge
        data/split/TASK/dropped.parquet                  rows that would leak, with the reason
        reports/metrics/split/TASK.json                  counts, fractions by stratum, leak check

    tandem split sentiment

The split of a group depends on the raw rows and on params only, not on what cleaning kept. Tasks
with the same source have the same raw rows, so a test row of one is a training row of none. This
also holds if one of them uses only some domains of the source, because each stratum has one domain.
Before anything is written, other code checks that no text is in two splits.
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
    """The section `split` of a task; tasks with the same source need the same values."""

    ratios: SplitRatios = SplitRatios()
    salt: str = Field(default="tandem", description="another salt gives another split")
    near_duplicates: NearDuplicates = NearDuplicates()
    judge_holdout: JudgeHoldout | None = Field(
        default=None, description="what is set aside for a judge"
    )
    on_leak: Literal["drop_train", "drop_held_out"] = Field(
        default="drop_train", description="which row is dropped if two splits hold one text"
    )


def main(task: str) -> str:
    """Split the rows of one task.

    Raises:
        DataError: a split is empty, or the leak check fails.
    """
    settings, spec = params.load(Params, task, "split"), tasks.load(task)
    raw = read_rows(paths.raw(task) / paths.ROWS, spec.row)
    clean = read_rows(paths.clean(task) / paths.ROWS, spec.row)
    assignment = assign(raw, spec, settings.ratios, settings.salt)
    if settings.judge_holdout:
        assignment = set_aside(assignment, settings.judge_holdout, settings.salt)
    drop = rows_to_drop(raw, clean, assignment, spec, settings.near_duplicates, settings.on_leak)
    splits = {
        name: [row for row in clean if assignment[row.group] == name and row.id not in drop]
        for name in ((*SPLITS, JUDGE) if settings.judge_holdout else SPLITS)
    }
    for name, rows in splits.items():
        if not rows:
            share = "judge_holdout.fraction" if name == JUDGE else f"ratios.{name}"
            raise DataError(f"{task}: no row is left for {name}: raise {task}.split.{share}")
    dropped = [Dropped(id=r.id, reason=drop[r.id], text=r.text) for r in clean if r.id in drop]
    checked = require_no_leak(task, verify_no_leaks(splits, spec, settings.near_duplicates))
    with io.atomic_outputs(paths.split(task), paths.metrics("split", task)) as (folder, metrics):
        for name, rows in splits.items():
            if settings.judge_holdout:
                rows = [
                    with_ratings(row, name, settings.judge_holdout.every_nth_rating) for row in rows
                ]
            write_rows(folder / f"{name}.parquet", rows, spec.row)
        write_rows(folder / paths.DROPPED, dropped, Dropped)
        content = summary(splits, dropped, spec) | {"proof": checked}
        io.write_json(metrics, content)
    sizes = ", ".join(f"{name} {number:,}" for name, number in content["rows"].items())
    leaks = wording.counted(content["leaks_removed"], "leak")
    return f"rows: {sizes}; {leaks} removed; written to {paths.split(task)}"


def summary(
    splits: Mapping[str, Sequence[Row]], dropped: Sequence[Dropped], task: BaseTask
) -> dict[str, Any]:
    """The metric: rows and groups by split, fractions by split and stratum, dropped rows."""
    strata = {split: Counter(task.stratum(row) for row in rows) for split, rows in splits.items()}
    whole = sum(strata.values(), Counter[str]())
    reasons = Counter(item.reason for item in dropped)
    return {
        "rows": {split: len(rows) for split, rows in splits.items()},
        "groups": {split: len({row.group for row in rows}) for split, rows in splits.items()},
        "shares": {split: round(len(rows) / whole.total(), 4) for split, rows in splits.items()},
        "strata": {
            stratum: {split: round(strata[split][stratum] / count, 4) for split in splits}
            for stratum, count in sorted(whole.items())
        },
        "dropped": reasons,
        "leaks_removed": sum(n for why, n in reasons.items() if not why.startswith("reserved")),
    }
