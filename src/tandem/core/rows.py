"""The rows that cross every stage, and how they lie on disk.

A task's row is a frozen dataclass below `Row`; its Parquet schema follows from its fields, so a
new task declares its row once. A row's life: `id` stays the same from raw to report; a derived
row has an id of its own and names the row it came from in `parent`.
"""

import dataclasses
import hashlib
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tandem.core.errors import StageError
from tandem.core.io import require_exists


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a row's text that means something: `text[start:end]`, in characters."""

    start: int
    end: int
    label: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every task's row has.

    `group` is what must not cross a split (document, template, component); `domain` names the
    part of the source; `holdout`, where set, is the one split that the row's slot values are
    reserved for.
    """

    id: str
    group: str
    domain: str
    text: str
    parent: str | None = None
    holdout: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A row that went no further: which, why, and what it said."""

    id: str
    reason: str
    text: str


T = TypeVar("T")
R = TypeVar("R", bound=Row)

SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def schema(row: type[Any]) -> pa.Schema:
    """The Parquet schema of a dataclass: str, int, float, bool, optional, tuple[…, ...], nested."""
    hints = typing.get_type_hints(row)
    return pa.schema([_field(f.name, hints[f.name]) for f in dataclasses.fields(row)])


def _field(name: str, hint: Any) -> pa.Field:
    optional = typing.get_origin(hint) in (types.UnionType, typing.Union)
    if optional:
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return pa.field(name, _type(hint), nullable=optional)


def _type(hint: Any) -> pa.DataType:
    if hint in SCALARS:
        return SCALARS[hint]
    if typing.get_origin(hint) is tuple:
        return pa.list_(pa.field("element", _type(typing.get_args(hint)[0]), nullable=False))
    if dataclasses.is_dataclass(hint):
        return pa.struct(list(schema(typing.cast(type, hint))))
    raise TypeError(f"no Parquet type for {hint!r}")


def write_rows(path: Path, rows: Iterable[Any], row: type[Any]) -> None:
    """Write `rows` in their order; the same rows give the same bytes."""
    table = pa.Table.from_pylist([_plain(r) for r in rows], schema=schema(row))
    pq.write_table(table, path, compression="zstd", store_schema=False)


def _plain(value: Any) -> Any:
    """The value without dataclasses and tuples, as `dataclasses.asdict`, which copies each leaf."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def read_rows(path: Path, row: type[T]) -> list[T]:
    """Read rows of type `row`.

    Raises:
        StageError: the file is missing, or was not written with the row's schema.
    """
    require_exists(path)
    wanted = schema(row)
    try:
        table = pq.read_table(path, schema=wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        problem = " ".join(str(error).split())
        raise StageError(f"{path} is not a table of {row.__name__}: {problem}") from None
    hints = typing.get_type_hints(row)
    return [row(**{k: _value(v, hints[k]) for k, v in item.items()}) for item in table.to_pylist()]


def _value(value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        nested = dataclasses.is_dataclass(inner)
        return tuple(inner(**v) if nested else v for v in value)
    return value


def hash_sample(rows: Sequence[R], most: int | None) -> list[R]:
    """At the most `most` of `rows`, the first in the order of their hashed ids; None takes all.

    A sample that depends on neither the order of rows nor a seed, and that grows with `most`.
    """
    return sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())[:most]


def row_ids(rows: Sequence[Row]) -> list[str]:
    """The ids of `rows`, in their order."""
    return [row.id for row in rows]
