"""Parse raw records into rows of a task; keep the records that cannot be parsed, with a reason."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tandem.core.errors import BadRow, DataError
from tandem.core.progress import track
from tandem.core.raw_records import RawRecord, Unreadable
from tandem.core.rows import Dropped, Row
from tandem.core.task import BaseTask

TEXT_KEYS = ("id", "group", "domain")
DOMAIN = "default"
HINTS = {
    "missing_": "columns to a mapping from field names to column names",
    "wrong_encoding": "encoding to the encoding of the file",
    "wrong_number_of_cells": "delimiter to the delimiter of the file",
}
"""Prefix of a reason → the text that follows `Set fetch.source.` in a hint: a key of params.yaml,
and a description of its value."""


def parse_records(
    records: Iterable[RawRecord | Unreadable], task: BaseTask
) -> tuple[list[Row], list[Dropped], dict[str, str]]:
    """Return the parsed rows, and the records that cannot be parsed, each with the reason.

    Also returns a mapping from each reason to its details, such as the allowed labels, taken from
    the first record with this reason; the details may be an empty string.
    """
    rows: list[Row] = []
    unreadable: list[Dropped] = []
    details: dict[str, str] = {}
    repeats: Counter[str] = Counter()
    ids: set[str] = set()
    for record in track(records, "read", unit="records"):
        content = {"text": record.text} if isinstance(record, Unreadable) else record
        raw = with_defaults(content, repeats)
        try:
            if isinstance(record, Unreadable):
                raise BadRow(record.reason)
            row = _require_storable(task.parse(raw))
            if row.id in ids:
                raise BadRow("duplicate_id", row.id)
            ids.add(row.id)
            rows.append(row)
        except BadRow as error:
            text = json.dumps(content, ensure_ascii=False, default=str)
            key, text = (
                part.encode("utf-8", "replace").decode() for part in (str(raw["id"]), text)
            )
            unreadable.append(Dropped(id=key, reason=error.reason, text=text))
            details.setdefault(error.reason, error.detail)
    return rows, unreadable, details


def with_defaults(record: RawRecord, repeats: Counter[str]) -> dict[str, Any]:
    """Return a copy of `record` in which the id, group and domain are set.

    A missing id is set to a digest of the record; a number is appended if an earlier record has the
    same digest. A missing group is set to the id, so that the row forms a group of its own.

    Args:
        record: The raw record.
        repeats: Digest → number of earlier records with this digest; updated in place.
    """
    raw = {
        key: str(value) if isinstance(value, int) and key in TEXT_KEYS else value
        for key, value in record.items()
    }
    if not raw.get("id"):
        content = json.dumps(record, sort_keys=True, default=str).encode()
        digest = hashlib.sha256(content).hexdigest()[:16]
        repeats[digest] += 1
        raw["id"] = digest if repeats[digest] == 1 else f"{digest}-{repeats[digest]}"
    return {**raw, "group": raw.get("group") or raw["id"], "domain": raw.get("domain") or DOMAIN}


def check_readable(
    rows: Sequence[Row],
    unreadable: Sequence[Dropped],
    details: Mapping[str, str],
    where: str,
    policy: str,
) -> None:
    """Check that there are rows and, if `policy` is `raise`, no unreadable records.

    Args:
        rows: The parsed rows.
        unreadable: The records that could not be parsed.
        details: Reason → its details, as returned by `parse_records`.
        where: The name of the source in error messages.
        policy: `raise` if even a single unreadable record is an error, otherwise `keep`.

    Raises:
        DataError: no record could be parsed, or `policy` is `raise` and a record is unreadable.
    """
    reasons = reasons_in_words(by_reason(unreadable), details)
    first = f"the first of these rows: {unreadable[0].text!r:.80}" if unreadable else ""
    if not rows:
        problem = f"no row can be read ({reasons}); {first}" if unreadable else "it is empty"
        raise DataError(f"{where} has no rows: {problem}{_hint(unreadable)}")
    if unreadable and policy == "raise":
        raise DataError(
            f"{where} contains rows that cannot be read ({reasons}); {first}. "
            "Fix these rows, or set fetch.on_unreadable to `keep`"
        )


def by_reason(dropped: Iterable[Dropped]) -> dict[str, int]:
    """Return the number of dropped rows by reason."""
    return dict(Counter(row.reason for row in dropped))


def reasons_in_words(counts: Mapping[str, int], details: Mapping[str, str]) -> str:
    """List each reason with its number of records and its details, the most frequent first.

    >>> details = {"unknown_label": "7 is not one of 0, 1"}
    >>> reasons_in_words({"empty_text": 2, "unknown_label": 9}, details)
    '9 unknown_label: 7 is not one of 0, 1; 2 empty_text'
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(
        f"{number:,} {reason}" + (f": {details[reason]}" if details.get(reason) else "")
        for reason, number in ordered
    )


def sample_groups(rows: Sequence[Row], limit: int) -> list[Row]:
    """Sample whole groups, in the order of hashed names, until there are at least `limit` rows."""
    sizes = Counter(row.group for row in rows)
    sampled: set[str] = set()
    missing = limit
    for group in sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if missing > 0:
            sampled.add(group)
            missing -= sizes[group]
    return [row for row in rows if row.group in sampled]


def _require_storable(row: Row) -> Row:
    """Return `row`, unless Parquet cannot store it: JSON allows lone surrogates and huge integers.

    Raises:
        BadRow: the row contains a lone surrogate or an integer that does not fit into 64 bits.
    """
    content = [getattr(row, field.name) for field in dataclasses.fields(row)]
    try:
        json.dumps(content, ensure_ascii=False, default=dataclasses.astuple).encode()
    except UnicodeEncodeError as error:
        raise BadRow("broken_unicode", str(error)) from None
    if not _is_int64(content):
        raise BadRow("number_out_of_range")
    return row


def _is_int64(value: Any) -> bool:
    """Return whether all integers in `value` fit into 64 bits."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.astuple(value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        return all(map(_is_int64, value))
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _hint(unreadable: Iterable[Dropped]) -> str:
    """Return the hint for the most frequent reason, or an empty string if `HINTS` contains none."""
    for reason, _ in Counter(row.reason for row in unreadable).most_common(1):
        for start, key in HINTS.items():
            if reason.startswith(start):
                return f". Set fetch.source.{key}"
    return ""
