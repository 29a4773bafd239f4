"""Split a task's clean rows into train, validation and test, by group, with no text in two.

Reads   data/raw/TASK/rows.parquet, data/clean/TASK/rows.parquet
Writes  data/split/TASK/{train,validation,test}.parquet  in the order of the clean rows
        data/split/TASK/dropped.parquet                  rows that would leak, with the reason
        reports/metrics/split/TASK.json                  counts, shares by stratum, leaks, proof

    $ tandem split sentiment

Who goes where is a function of the raw rows and of params alone, not of what cleaning kept: tasks
that share a source have the same raw rows, so what is test for one is train for none. What is
written is then checked by other code, and the stage stops if anything crosses.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.params import Strict
from tandem.core.paths import SPLITS
from tandem.core.records import Dropped, Row
from tandem.core.task import BaseTask
from tandem.text.leaks import form, leaks, proof
from tandem.text.near import Likeness

# Who stays when two splits hold one text: the first in the list.
STAYS = {
    "drop_train": ("test", "validation", "train"),
    "drop_held_out": ("train", "test", "validation"),
}


class Ratios(Strict):
    """The share of rows wanted in each split."""

    train: float = Field(gt=0, lt=1)
    validation: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> "Ratios":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test must add up to 1")
        return self


class Params(Strict):
    """The part `split` of a task's section; the same for all tasks of one source."""

    ratios: Ratios
    salt: str = Field(description="another salt, another split")
    likeness: Likeness = Field(description="when two texts count as one across splits")
    on_leak: Literal["drop_train", "drop_held_out"] = Field(description="which of the two goes")


Usable = dict[str, Counter[str]]


def main(task: str) -> None:
    """Split the rows of `task`."""
    settings = params.load(Params, task, "split")
    spec = tasks.load(task)
    raw = records.read(paths.raw(task) / paths.ROWS, spec.row)
    clean = records.read(paths.clean(task) / paths.ROWS, spec.row)
    place = assign(raw, spec, settings)
    unfit = unfits(raw, clean, place, spec, settings)
    splits = {
        name: [row for row in clean if place[row.group] == name and row.id not in unfit]
        for name in SPLITS
    }
    for name, rows in splits.items():
        if not rows:
            raise DataError(f"{task}: no row is left for {name}: raise {task}.split.ratios.{name}")
    dropped = [Dropped(id=r.id, reason=unfit[r.id], text=r.text) for r in clean if r.id in unfit]
    figures = proven(task, proof(splits, spec, settings.likeness))
    with io.writing(paths.split(task), paths.metrics("split", task)) as (folder, metrics):
        for name, rows in splits.items():
            records.write(folder / f"{name}.parquet", rows, spec.row)
        records.write(folder / paths.DROPPED, dropped, Dropped)
        io.write_json(metrics, summary(splits, dropped, spec) | {"proof": figures})


def assign(rows: Sequence[Row], task: BaseTask, settings: Params) -> dict[str, str]:
    """The split of each group.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011) over groups: the strata with
    the fewest groups first; in a stratum, groups in the order of sha256(salt + group), each to
    the split where the table of rows by split and stratum comes nearest to the wanted one. A
    stratum of two groups is in train and test, of three in all splits.
    """
    usable = usables(rows, task)
    table = Table(usable, settings.ratios)
    members: dict[str, list[str]] = defaultdict(list)
    for group in sorted(usable, key=lambda group: digest(settings.salt, group)):
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
        seat(members, stratum, place, usable)
    return place


def usables(rows: Sequence[Row], task: BaseTask) -> dict[str, Usable]:
    """Rows that a group would give to each split, by stratum; `holdout` rows fit one split only."""
    usable: dict[str, Usable] = {}
    for row in rows:
        counts = usable.setdefault(row.group, {split: Counter() for split in SPLITS})
        for split in SPLITS:
            if row.holdout in (None, split):
                counts[split][task.stratum(row)] += 1
    return usable


class Table:
    """Rows by split and stratum so far, and how far they are from the wanted ratios."""

    def __init__(self, usable: Mapping[str, Usable], ratios: Ratios) -> None:
        self.ratios = ratios.model_dump()
        self.have: Usable = {split: Counter() for split in SPLITS}
        self.whole: Usable = {split: Counter() for split in SPLITS}
        for counts in usable.values():
            for split in SPLITS:
                self.whole[split].update(counts[split])

    def nearest(self, counts: Usable) -> str:
        """The split that brings the table nearest to the wanted; train, test if there are ties."""
        return min(STAYS["drop_held_out"], key=lambda split: self.cost(counts[split], split))

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


def seat(
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


def digest(salt: str, group: str) -> str:
    """The place of a group in the draw."""
    return hashlib.sha256(f"{salt}\0{group}".encode()).hexdigest()


def unfits(
    raw: Sequence[Row],
    clean: Sequence[Row],
    place: Mapping[str, str],
    task: BaseTask,
    settings: Params,
) -> dict[str, str]:
    """The rows that may not stay where their group is: id to reason.

    Leaks are sought among all raw rows, so that a text that only another task's cleaning keeps
    counts too; a clean row with other words than its raw row is sought by both.
    """
    reserved = {
        row.id: f"reserved_for_{row.holdout}"
        for row in raw
        if row.holdout not in (None, place[row.group])
    }
    forms: dict[str, list[tuple[str, str]]] = {split: [] for split in STAYS[settings.on_leak]}
    known: dict[str, str] = {}
    for row in raw:
        known[row.id] = form(row, task)
        if row.id not in reserved:
            forms[place[row.group]].append((row.id, known[row.id]))
    for row in clean:
        if row.id not in reserved and (changed := form(row, task)) != known[row.id]:
            forms[place[row.group]].append((row.id, changed))
    kinds = {"same": "same_text_as", "near": "near_duplicate_of"}
    found = leaks(forms, settings.likeness)
    return reserved | {key: f"{kinds[kind]}_{split}" for key, (kind, split) in found.items()}


def proven(task: str, figures: dict[str, Any]) -> dict[str, Any]:
    """`figures`, if nothing crosses.

    Raises:
        DataError: something does; more permutations find more near-duplicates.
    """
    crossing = {key: n for key, n in figures.items() if key.endswith("_crossing") and n}
    if crossing:
        what = ", ".join(f"{key}: {count}" for key, count in crossing.items())
        raise DataError(
            f"{task}: the split is not clean ({what}): raise {task}.split.likeness.permutations"
        )
    return figures


def summary(
    splits: Mapping[str, Sequence[Row]], dropped: Sequence[Dropped], task: BaseTask
) -> dict[str, Any]:
    """The metric: rows, groups and share of each split, shares in each stratum, leaks removed."""
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
