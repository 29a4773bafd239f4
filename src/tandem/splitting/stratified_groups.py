"""Stratified assignment of groups to splits, determined only by the rows, ratios and a salt."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from tandem.core.paths import SPLITS
from tandem.core.rows import Row
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask

TIE_BREAK = ("train", "test", "validation")  # the first of several equally good splits is chosen


class SplitRatios(StrictModel):
    """The desired fraction of rows in each split."""

    train: float = Field(default=0.8, gt=0, lt=1)
    """Fraction of the rows for training."""
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the rows for validation."""
    test: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the rows for testing."""

    @model_validator(mode="after")
    def _check_sum(self) -> "SplitRatios":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must add up to 1")
        return self


SplitCounts = dict[str, Counter[str]]
"""Split → stratum → number of rows."""


def assign(rows: Sequence[Row], task: BaseTask, ratios: SplitRatios, salt: str) -> dict[str, str]:
    """Assign each group to a split, and return the split of each group.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011) over groups: strata are
    processed in ascending order of their number of groups, and the groups of a stratum in the
    order of sha256(salt + group). Each group is assigned to a split such that the numbers of
    rows by split and stratum come as close as possible to `ratios`. A stratum with two groups is
    represented in train and test, and a stratum with three groups in all splits.
    """
    usable = rows_by_split(rows, task)
    balance = SplitBalance(usable, ratios)
    # Collect the groups of each stratum, and sort the strata, the rarest first.
    members: dict[str, list[str]] = defaultdict(list)
    for group in sorted(usable, key=lambda group: draw_key(salt, group)):
        for stratum in sorted({s for counts in usable[group].values() for s in counts}):
            members[stratum].append(group)
    rarest_first = sorted(members, key=lambda stratum: (len(members[stratum]), stratum))
    # A group with rows in several strata is assigned along with the rarest of its strata.
    assignment: dict[str, str] = {}
    for stratum in rarest_first:
        for group in members[stratum]:
            if group not in assignment:
                assignment[group] = balance.best_split(usable[group])
                balance.add(usable[group], assignment[group])
    for stratum in rarest_first:
        fill_empty_splits(members, stratum, assignment, usable)
    return assignment


def rows_by_split(rows: Sequence[Row], task: BaseTask) -> dict[str, SplitCounts]:
    """Count the rows that each group would add to each split, by stratum.

    A row whose `holdout` names a split can be used in that split only.
    """
    usable: dict[str, SplitCounts] = {}
    for row in rows:
        counts = usable.setdefault(row.group, {split: Counter() for split in SPLITS})
        for split in SPLITS:
            if row.holdout in (None, split):
                counts[split][task.stratum(row)] += 1
    return usable


class SplitBalance:
    """Numbers of assigned rows by split and stratum, and their distance from the desired ratios."""

    def __init__(self, usable: Mapping[str, SplitCounts], ratios: SplitRatios) -> None:
        self.ratios = ratios.model_dump()
        self.assigned: SplitCounts = {split: Counter() for split in SPLITS}
        self.total: SplitCounts = {split: Counter() for split in SPLITS}
        for counts in usable.values():
            for split in SPLITS:
                self.total[split].update(counts[split])

    def best_split(self, counts: SplitCounts) -> str:
        """Return the split with the lowest `cost` for a group; TIE_BREAK resolves ties."""
        return min(TIE_BREAK, key=lambda split: self.cost(counts[split], split))

    def add(self, counts: SplitCounts, split: str) -> None:
        """Count the rows of a group that was assigned to `split`."""
        self.assigned[split].update(counts[split])

    def cost(self, counts: Counter[str], split: str) -> float:
        """Return the increase in the chi-square distance if a group's rows go to `split`.

        The counts of a stratum are divided by the number of its rows that can be used in the split,
        and the stratum is weighted by its number of rows.
        """
        ratio, growth = self.ratios[split], 0.0
        for stratum, count in counts.items():
            total = self.total[split][stratum]
            assigned, added = self.assigned[split][stratum] / total, count / total
            weight = max(self.total[name][stratum] for name in SPLITS)
            growth += weight * added * (added + 2 * (assigned - ratio)) / ratio
        return growth


def fill_empty_splits(
    members: Mapping[str, Sequence[str]],
    stratum: str,
    assignment: dict[str, str],
    usable: Mapping[str, SplitCounts],
) -> None:
    """Move training groups of a stratum to the splits that have no rows of it.

    For each such split (test, then validation), the smallest training group that can be moved is
    moved. Train keeps at least one group of each stratum. `assignment` is modified in place.
    """
    for split in ("test", "validation"):
        if any(assignment[group] == split for group in members[stratum]):
            continue
        movable = [
            group
            for group in members[stratum]
            if assignment[group] == "train"
            and usable[group][split][stratum]
            and all(
                sum(assignment[member] == "train" for member in members[name]) > 1
                for name in usable[group]["train"]
            )
        ]
        if movable:
            smallest = min(movable, key=lambda group: usable[group][split].total())
            assignment[smallest] = split


def draw_key(salt: str, group: str) -> str:
    """Return the sort key of a group, which determines when it is assigned."""
    return hashlib.sha256(f"{salt}\0{group}".encode()).hexdigest()
