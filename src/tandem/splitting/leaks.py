"""Find the rows that must leave their split, because their text also occurs in another one."""

from collections.abc import Mapping, Sequence
from typing import Any

from tandem.core.errors import DataError
from tandem.core.paths import JUDGE
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.leakage import find_leaks, split_key_of
from tandem.text.minhash import NearDuplicates

PRECEDENCE = {
    "drop_train": ("test", "validation", JUDGE, "train"),
    "drop_held_out": ("train", JUDGE, "test", "validation"),
}
"""If two splits hold one text, the row of the split that comes first is kept."""
REASONS = {"same": "same_text_as", "near": "near_duplicate_of"}


def rows_to_drop(
    raw: Sequence[Row],
    clean: Sequence[Row],
    assignment: Mapping[str, str],
    task: BaseTask,
    likeness: NearDuplicates,
    on_leak: str,
) -> dict[str, str]:
    """The rows that must leave the split of their group: id → reason.

    All raw rows are compared, so the result does not depend on what cleaning kept, and tasks that
    share a source agree. A clean row whose text differs from its raw row is compared by both.
    """
    reserved = {
        row.id: f"reserved_for_{row.holdout}"
        for row in raw
        if row.holdout not in (None, assignment[row.group])
    }
    forms: dict[str, list[tuple[str, str]]] = {split: [] for split in PRECEDENCE[on_leak]}
    raw_forms: dict[str, str] = {}
    for row in raw:
        raw_forms[row.id] = split_key_of(row, task)
        if row.id not in reserved:
            forms[assignment[row.group]].append((row.id, raw_forms[row.id]))
    for row in clean:
        if row.id not in reserved and (changed := split_key_of(row, task)) != raw_forms[row.id]:
            forms[assignment[row.group]].append((row.id, changed))
    found = find_leaks(forms, likeness)
    return reserved | {key: f"{REASONS[kind]}_{split}" for key, (kind, split) in found.items()}


def require_no_leak(task: str, figures: dict[str, Any]) -> dict[str, Any]:
    """`figures`, the result of `tandem.text.leakage.proof`, if they show no leak.

    Raises:
        DataError: a group or a text is in two splits.
    """
    crossing = {key: n for key, n in figures.items() if key.endswith("_crossing") and n}
    if crossing:
        what = ", ".join(f"{key}: {count}" for key, count in crossing.items())
        raise DataError(
            f"{task}: the split is not clean ({what}): raise {task}.split.near_duplicates.num_perm"
        )
    return figures
