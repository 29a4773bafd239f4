"""Divide the clean rows of a task into splits, and describe the result."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tandem.core.errors import DataError
from tandem.core.paths import JUDGE, SPLITS
from tandem.core.rows import Dropped, Row
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask
from tandem.splitting.judge_holdout import JudgeHoldout, set_aside, with_ratings
from tandem.splitting.leaks import require_no_leak, rows_to_drop
from tandem.splitting.stratified_groups import SplitRatios, assign
from tandem.text.leakage import verify_no_leaks
from tandem.text.minhash import NearDuplicates


class SplitParams(StrictModel):
    """How rows are divided into splits; tasks with the same source need the same values."""

    ratios: SplitRatios = SplitRatios()
    salt: str = "tandem"
    """Text that is hashed with each group; a different salt gives a different split."""
    near_duplicates: NearDuplicates = NearDuplicates()
    judge_holdout: JudgeHoldout | None = None
    """Groups and ratings that are held out for an independent judge; if null, none are held out."""
    on_leak: Literal["drop_train", "drop_held_out"] = "drop_train"
    """Which row is dropped if rows in two splits have the same text."""


@dataclass(frozen=True)
class Splits:
    """The rows of each split, the dropped rows, and the result of the leak check."""

    rows: Mapping[str, Sequence[Row]]
    dropped: Sequence[Dropped]
    verified: Mapping[str, Any]


def split_rows(
    raw: Sequence[Row], clean: Sequence[Row], task: BaseTask, params: SplitParams
) -> Splits:
    """Divide the rows that cleaning kept into splits.

    Args:
        raw: The rows as fetched, which determine the split of each group.
        clean: The rows that cleaning kept.
        task: The rows' task.
        params: How to divide the rows.

    Raises:
        DataError: a split is empty, or the leak check fails.
    """
    holdout = params.judge_holdout

    # Assign groups to splits, and find the rows to remove from the split of their group.
    assignment = assign(raw, task, params.ratios, params.salt)
    if holdout:
        assignment = set_aside(assignment, holdout, params.salt)
    reasons = rows_to_drop(raw, clean, assignment, task, params.near_duplicates, params.on_leak)
    rows = {
        name: [row for row in clean if assignment[row.group] == name and row.id not in reasons]
        for name in ((*SPLITS, JUDGE) if holdout else SPLITS)
    }
    _require_rows(rows, task)
    dropped = [
        Dropped(id=row.id, reason=reasons[row.id], text=row.text)
        for row in clean
        if row.id in reasons
    ]

    # Verify that no leaks are left; this check does not use MinHash.
    verified = require_no_leak(task.name, verify_no_leaks(rows, task, params.near_duplicates))
    if holdout:
        nth = holdout.every_nth_rating
        rows = {name: [with_ratings(row, name, nth) for row in rows[name]] for name in rows}
    return Splits(rows, dropped, verified)


def _require_rows(rows: Mapping[str, Sequence[Row]], task: BaseTask) -> None:
    for name, members in rows.items():
        if not members:
            key = "judge_holdout.fraction" if name == JUDGE else f"ratios.{name}"
            raise DataError(
                f"{task.name}: no row is left for {name}; raise {task.name}.split.{key}"
            )


def summarize(splits: Splits, task: BaseTask) -> dict[str, Any]:
    """Summarize the rows, groups and strata by split, the dropped rows, and the leak check."""
    rows = splits.rows
    strata = {split: Counter(task.stratum(row) for row in rows[split]) for split in rows}
    by_stratum = sum(strata.values(), Counter[str]())
    reasons = Counter(item.reason for item in splits.dropped)
    return {
        "rows": {split: len(rows[split]) for split in rows},
        "groups": {split: len({row.group for row in rows[split]}) for split in rows},
        "shares": {split: round(len(rows[split]) / by_stratum.total(), 4) for split in rows},
        "strata": {
            stratum: {split: round(strata[split][stratum] / count, 4) for split in rows}
            for stratum, count in sorted(by_stratum.items())
        },
        "dropped": reasons,
        "leaks_removed": sum(
            n for reason, n in reasons.items() if not reason.startswith("reserved")
        ),
        "proof": splits.verified,
    }
