"""Find the rows to drop from a split because their text also occurs in another split."""

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
"""Value of `on_leak` → the splits in order of precedence. If rows in several splits have the same
text, only those in the first of these splits are kept."""
REASONS = {"same": "same_text_as", "near": "near_duplicate_of"}


def rows_to_drop(
    raw: Sequence[Row],
    clean: Sequence[Row],
    assignment: Mapping[str, str],
    task: BaseTask,
    near_duplicates: NearDuplicates,
    on_leak: str,
) -> dict[str, str]:
    """Return the rows that must be removed from the split of their group: id → reason.

    All raw rows are compared, so the result does not depend on which rows were dropped by cleaning,
    and is the same for tasks that share a source. If cleaning changed the text of a row, both its
    raw and its clean text are compared.

    Args:
        raw: The rows as fetched.
        clean: The rows that cleaning kept.
        assignment: Group → split.
        task: The rows' task.
        near_duplicates: Criteria for near-duplicates.
        on_leak: A key of PRECEDENCE.
    """
    # A row whose slot values are reserved for one split cannot be used in another split.
    reserved = {
        row.id: f"reserved_for_{row.holdout}"
        for row in raw
        if row.holdout not in (None, assignment[row.group])
    }
    keys: dict[str, list[tuple[str, str]]] = {split: [] for split in PRECEDENCE[on_leak]}
    raw_keys: dict[str, str] = {}
    for row in raw:
        raw_keys[row.id] = split_key_of(row, task)
        if row.id not in reserved:
            keys[assignment[row.group]].append((row.id, raw_keys[row.id]))
    for row in clean:
        if row.id not in reserved and (clean_key := split_key_of(row, task)) != raw_keys[row.id]:
            keys[assignment[row.group]].append((row.id, clean_key))
    leaks = find_leaks(keys, near_duplicates)
    return reserved | {row_id: f"{REASONS[how]}_{split}" for row_id, (how, split) in leaks.items()}


def require_no_leak(task_name: str, counts: dict[str, Any]) -> dict[str, Any]:
    """Return `counts`, the result of `verify_no_leaks`, if it shows no leak.

    Raises:
        DataError: a group or a text is in two splits.
    """
    crossing = {name: n for name, n in counts.items() if name.endswith("_crossing") and n}
    if crossing:
        listed = ", ".join(f"{name}: {n}" for name, n in crossing.items())
        raise DataError(
            f"{task_name}: some texts or groups are in more than one split ({listed}); "
            f"raise {task_name}.split.near_duplicates.num_perm"
        )
    return counts
