"""Which split each group goes to: stratified, and decided by the rows and a salt alone."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from pydantic import Field, model_validator

from tandem.core.paths import SPLITS
from tandem.core.rows import Row
from tandem.core.schema import StrictModel
from tandem.core.task import BaseTask

PREFERRED = ("train", "test", "validation")  # which one, if several would do


class SplitRatios(StrictModel):
    """The share of rows wanted in each split."""

    train: float = Field(default=0.8, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> "SplitRatios":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must add up to 1")
        return self


Usable = dict[str, Counter[str]]


def assign(rows: Sequence[Row], task: BaseTask, ratios: SplitRatios, salt: str) -> dict[str, str]:
    """The split of each group.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011) over groups: the strata with
    the fewest groups first; in a stratum, groups in the order of sha256(salt + group), each to
    the split where the table of rows by split and stratum comes nearest to the wanted one. A
    stratum of two groups is in train and test, of three in all splits.
    """
    usable = rows_by_split(rows, task)
    table = SplitBalance(usable, ratios)
    members: dict[str, list[str]] = defaultdict(list)
    for group in sorted(usable, key=lambda group: draw_key(salt, group)):
        for stratum in sorted({s for counts in usable[group].values() for s in counts}):
            members[stratum].append(group)
    rarest = sorted(members, key=lambda stratum: (len(members[stratum]), stratum))
    place: dict[str, str] = {}
    for stratum in rarest:
        for group in members[stratum]:
            if group not in place:
                place[group] = table.nearest(usable[group])
                table.have[place[group]].update(usable[group][place[group]])
    for stratum in rarest:
        fill_empty_splits(members, stratum, place, usable)
    return place


def rows_by_split(rows: Sequence[Row], task: BaseTask) -> dict[str, Usable]:
    """Rows that a group would give to each split, by stratum; `holdout` rows fit one split only."""
    usable: dict[str, Usable] = {}
    for row in rows:
        counts = usable.setdefault(row.group, {split: Counter() for split in SPLITS})
        for split in SPLITS:
            if row.holdout in (None, split):
                counts[split][task.stratum(row)] += 1
    return usable


class SplitBalance:
    """Rows by split and stratum so far, and how far they are from the wanted ratios."""

    def __init__(self, usable: Mapping[str, Usable], ratios: SplitRatios) -> None:
        self.ratios = ratios.model_dump()
        self.have: Usable = {split: Counter() for split in SPLITS}
        self.whole: Usable = {split: Counter() for split in SPLITS}
        for counts in usable.values():
            for split in SPLITS:
                self.whole[split].update(counts[split])

    def nearest(self, counts: Usable) -> str:
        """The split that brings the table nearest to the wanted; train, test if there are ties."""
        return min(PREFERRED, key=lambda split: self.cost(counts[split], split))

    def cost(self, counts: Counter[str], split: str) -> float:
        """By how much the chi-square distance grows if a group's rows go to `split`.

        Each stratum is counted in shares of its rows that fit the split, and weighed by its rows.
        """
        ratio, growth = self.ratios[split], 0.0
        for stratum, count in counts.items():
            whole = self.whole[split][stratum]
            have, share = self.have[split][stratum] / whole, count / whole
            weight = max(self.whole[other][stratum] for other in SPLITS)
            growth += weight * share * (share + 2 * (have - ratio)) / ratio
        return growth


def fill_empty_splits(
    members: Mapping[str, Sequence[str]],
    stratum: str,
    place: dict[str, str],
    usable: Mapping[str, Usable],
) -> None:
    """Move the stratum's smallest training group to a split that has none, test first.

    Train keeps at least one group of each stratum.
    """
    for split in ("test", "validation"):
        if any(place[group] == split for group in members[stratum]):
            continue
        spare = [
            group
            for group in members[stratum]
            if place[group] == "train"
            and usable[group][split][stratum]
            and all(
                sum(place[other] == "train" for other in members[own]) > 1
                for own in usable[group]["train"]
            )
        ]
        if spare:
            place[min(spare, key=lambda group: usable[group][split].total())] = split


def draw_key(salt: str, group: str) -> str:
    """The place of a group in the draw."""
    return hashlib.sha256(f"{salt}\0{group}".encode()).hexdigest()
