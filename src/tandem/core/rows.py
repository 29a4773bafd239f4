"""The rows that all stages exchange, and their storage as Parquet.

The type of a task's rows is a frozen dataclass derived from `Row`. The Parquet schema is derived
from the fields of this class, so a new task declares its fields only once. A row keeps its `id`
in all stages. A derived row has its own id; its `parent` is the id of the row that it was derived
from.
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
    """A labelled part of a row's text: `text[start:end]`, with offsets in characters."""

    start: int
    end: int
    label: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The fields that the rows of all tasks have."""

    id: str
    group: str
    """Id of the document, template or software component that the row belongs to; all rows of a
    group are in the same split."""
    domain: str
    """The part of the source that the row comes from."""
    text: str
    parent: str | None = None
    holdout: str | None = None
    """The only split in which the row may be used; None if any split may use it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A row that a stage dropped: its id, the reason, and its text."""

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
    """The Parquet schema of a dataclass.

    A field may be a str, int, float, bool, another dataclass, or a tuple of any length whose
    elements have one of these types. Any field may be optional (`| None`).
    """
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
    """Write `rows` to a Parquet file, in the given order; the same rows give the same bytes."""
    table = pa.Table.from_pylist([_plain(r) for r in rows], schema=schema(row))
    pq.write_table(table, path, compression="zstd", store_schema=False)


def _plain(value: Any) -> Any:
    """`value` as dicts and lists; unlike `dataclasses.asdict`, this does not copy leaf values."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def read_rows(path: Path, row: type[T]) -> list[T]:
    """Read a Parquet file as rows of type `row`.

    Raises:
        StageError: the file is missing, or was not written with the row's schema.
    """
    require_exists(path)
    expected = schema(row)
    try:
        table = pq.read_table(path, schema=expected)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        problem = " ".join(str(error).split())
        raise StageError(f"{path} is not a table of {row.__name__}: {problem}") from None
    hints = typing.get_type_hints(row)
    return [row(**{k: _value(v, hints[k]) for k, v in item.items()}) for item in table.to_pylist()]


def _value(value: Any, hint: Any) -> Any:
    """A value from Parquet: a list becomes a tuple, and its dicts become dataclass instances."""
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        nested = dataclasses.is_dataclass(inner)
        return tuple(inner(**v) if nested else v for v in value)
    return value


def hash_sample(rows: Sequence[R], limit: int | None) -> list[R]:
    """The first `limit` rows in the order of their hashed ids, or all rows if `limit` is None.

    The sample depends neither on the order of rows nor on a seed, and larger samples contain
    smaller ones.
    """
    return sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())[:limit]


def row_ids(rows: Sequence[Row]) -> list[str]:
    """The ids of `rows`, in the same order."""
    return [row.id for row in rows]
