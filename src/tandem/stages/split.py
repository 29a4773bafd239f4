"""Split a task's clean rows into train, validation and test, by group, with no text in two.

Reads   data/raw/TASK/rows.parquet, data/clean/TASK/rows.parquet
Writes  data/split/TASK/{train,validation,test}.parquet  in the order of the clean rows
        data/split/TASK/judge.parquet                    where `jury` says so; see `_jury`
        data/split/TASK/dropped.parquet                  rows that would leak, with the reason
        reports/metrics/split/TASK.json                  counts, shares by stratum, leaks, proof

    $ tandem split sentiment

Who goes where is a function of the raw rows and of params alone, not of what cleaning kept: tasks
that share a source have the same raw rows, so what is test for one is train for none. (So it is
where one takes some domains of the source only: strata are of one domain.) What is written is
then checked by other code, and the stage stops if anything crosses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.params import Strict
from tandem.core.paths import JUDGE, SPLITS
from tandem.core.rows import Dropped, Row, read_rows, write_rows
from tandem.core.task import BaseTask
from tandem.splitting.judge_holdout import Jury, set_aside, with_ratings
from tandem.splitting.stratified_groups import Ratios, assign
from tandem.text.leakage import form, leaks, proof
from tandem.text.minhash import Likeness

# Who stays when two splits hold one text: the first in the list.
STAYS = {
    "drop_train": ("test", "validation", JUDGE, "train"),
    "drop_held_out": ("train", JUDGE, "test", "validation"),
}


class Params(Strict):
    """The part `split` of a task's section; the same for all tasks of one source."""

    ratios: Ratios
    salt: str = Field(description="another salt, another split")
    likeness: Likeness = Field(description="when two texts count as one across splits")
    jury: Jury | None = Field(default=None, description="what an independent judge learns from")
    on_leak: Literal["drop_train", "drop_held_out"] = Field(description="which of the two goes")


def main(task: str) -> None:
    """Split the rows of `task`."""
    settings = params.load(Params, task, "split")
    spec = tasks.load(task)
    raw = read_rows(paths.raw(task) / paths.ROWS, spec.row)
    clean = read_rows(paths.clean(task) / paths.ROWS, spec.row)
    place = assign(raw, spec, settings.ratios, settings.salt)
    if settings.jury:
        place = set_aside(place, settings.jury, settings.salt)
    parts = (*SPLITS, JUDGE) if settings.jury else SPLITS
    unfit = unfits(raw, clean, place, spec, settings)
    splits = {
        name: [row for row in clean if place[row.group] == name and row.id not in unfit]
        for name in parts
    }
    for name, rows in splits.items():
        if not rows:
            share = "jury.share" if name == JUDGE else f"ratios.{name}"
            raise DataError(f"{task}: no row is left for {name}: raise {task}.split.{share}")
    dropped = [Dropped(id=r.id, reason=unfit[r.id], text=r.text) for r in clean if r.id in unfit]
    figures = proven(task, proof(splits, spec, settings.likeness))
    with io.writing(paths.split(task), paths.metrics("split", task)) as (folder, metrics):
        for name, rows in splits.items():
            if settings.jury:
                rows = [with_ratings(row, name, settings.jury.every) for row in rows]
            write_rows(folder / f"{name}.parquet", rows, spec.row)
        write_rows(folder / paths.DROPPED, dropped, Dropped)
        io.write_json(metrics, summary(splits, dropped, spec) | {"proof": figures})


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
