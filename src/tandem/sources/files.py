"""Rows of the user's own files: CSV, JSON Lines, Parquet, or plain text with a row a line.

    source:
      kind: files
      format: csv
      files: [{path: reviews.csv, sha256: 9f86d081…}]
      columns: {text: review, label: stars}     # our name: the file's name

A line that cannot be read becomes an `Unreadable`; a file that cannot, a DataError.
"""

import codecs
import csv
import difflib
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

from pydantic import Field, field_validator

from tandem.core.errors import DataError
from tandem.core.schema import StrictModel
from tandem.downloads.pypi import hash_mismatch, sha256
from tandem.sources import (
    UNKNOWN,
    DatasetInfo,
    RawRecord,
    RawRecords,
    SourceInfo,
    SourceParams,
    Unreadable,
)

LONGEST_CELL = 2**31 - 1
"""Characters; the csv module's own limit, 131,072, would break long documents."""


class File(StrictModel):
    """A path from the project's root, and its pin: `sha256sum FILE` prints it.

    The pin is what DVC sees of the file. It is not optional, else a changed file would go unseen.
    """

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Params(SourceParams):
    """Which files, in which form."""

    format: Literal["csv", "jsonl", "parquet", "text"]
    files: list[File] = Field(min_length=1)
    columns: dict[str, str] = Field(default={}, description="our name: the file's name")
    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="CSV only")
    about: DatasetInfo = UNKNOWN

    @field_validator("encoding")
    @classmethod
    def known(cls, name: str) -> str:
        """Reject a name that Python knows no text codec for (`base64` is one of bytes)."""
        try:
            "a".encode(name)
        except (LookupError, UnicodeError):
            raise ValueError(f"unknown encoding {name!r}") from None
        return name


def rows(params: Params) -> RawRecords:
    """The files' records, in their order.

    Raises:
        DataError: a file is missing, empty, not of its format, or lacks a column.
        HashMismatch: a file is not the pinned one.
    """
    read = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet, "text": _text}[params.format]
    for file in params.files:
        path = Path(file.path)
        _check(path, file)
        try:
            yield from rename_columns(read(path, params), params.columns)
        except UnicodeError as error:
            raise DataError(f"{path} is not {params.encoding}: {error}. Set `encoding`") from None
        except OSError as error:
            why = " ".join((error.strerror or str(error)).split())
            raise DataError(f"cannot read {path}: {why}") from None


def origin(params: Params) -> SourceInfo:
    """What params.yaml says of the files, and the hash of each."""
    return SourceInfo(params.about, {file.path: f"sha256 {file.sha256}" for file in params.files})


def rename_columns(
    records: RawRecords, columns: dict[str, str]
) -> Iterator[RawRecord | Unreadable]:
    """Give columns our names; one that stands for another of ours is not passed on as itself."""
    theirs = set(columns.values())
    for record in records:
        if isinstance(record, Unreadable) or not columns:
            yield record
        else:
            kept = {k: v for k, v in record.items() if k not in theirs and k not in columns}
            yield kept | {ours: record.get(name) for ours, name in columns.items()}


def require_columns(where: object, found: Iterable[str], columns: dict[str, str]) -> None:
    """Raises DataError unless every column that `columns` maps is there, and none is twice."""
    names = list(found)
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise DataError(f"{where} has more than one column {twice[0]!r}: rename all but one")
    for ours, theirs in columns.items():
        if theirs not in names:
            near = difflib.get_close_matches(theirs, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(names)
            raise DataError(f"{where} has no column {theirs!r} (for {ours}).{hint} It has: {known}")


def _check(path: Path, file: File) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing, or is no file; paths start at the project's root")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    if (found := sha256(path)) != file.sha256:
        raise hash_mismatch(str(path), file.sha256, found)


def _open(path: Path, params: Params) -> TextIO:
    """Bytes that are not in the encoding become lone surrogates, which `_broken` sees.

    A UTF-8 file may start with a byte order mark, as spreadsheets write it.
    """
    is_utf8 = codecs.lookup(params.encoding).name == "utf-8"
    encoding = "utf-8-sig" if is_utf8 else params.encoding
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def _broken(text: str) -> bool:
    """Whether bytes are not in the encoding; NUL is what UTF-16 has where others have nothing."""
    return "\0" in text or (not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text))


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text(path: Path, params: Params) -> RawRecords:
    with _open(path, params) as file:
        for line in file:
            text = line.strip()
            if _broken(text):
                yield Unreadable("wrong_encoding", _shown(text))
            elif text:
                yield {"text": text}


def _jsonl(path: Path, params: Params) -> RawRecords:
    for record in _text(path, params):
        if isinstance(record, Unreadable):
            yield record
            continue
        try:
            value = json.loads(record["text"])
        except (ValueError, RecursionError):
            yield Unreadable("broken_json", record["text"])
            continue
        yield value if isinstance(value, dict) else Unreadable("not_an_object", record["text"])


def _csv(path: Path, params: Params) -> RawRecords:
    with _open(path, params) as file:
        table = _table(file, params.delimiter)
        header = next(table, [])
        if isinstance(header, Unreadable) or any(map(_broken, header)):
            raise DataError(f"{path}: the header is not CSV in {params.encoding}. Set `encoding`")
        require_columns(path, header, params.columns)
        for cells in table:
            if isinstance(cells, Unreadable):
                yield cells
            elif any(map(_broken, cells)):
                yield Unreadable("wrong_encoding", _shown(params.delimiter.join(cells)))
            elif len(cells) != len(header):
                yield Unreadable("wrong_number_of_cells", params.delimiter.join(cells))
            else:
                yield dict(zip(header, cells, strict=True))


def _table(lines: Iterator[str], delimiter: str) -> Iterator[list[str] | Unreadable]:
    """The cells of each row but blank ones; a row of any length may span lines.

    What breaks a row is its first line, so reading goes on with the next: a quote that is never
    closed does not take all that follows with it.
    """
    csv.field_size_limit(LONGEST_CELL)
    again: deque[str] = deque()
    taken: list[str] = []

    def source() -> Iterator[str]:
        while line := again.popleft() if again else next(lines, ""):
            taken.append(line)
            yield line

    reader = csv.reader(source(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Unreadable("broken_csv", _shown(taken[0].rstrip("\r\n")))
            again.extendleft(reversed(taken[1:]))
            reader = csv.reader(source(), delimiter=delimiter, strict=True)
            continue
        if cells:
            yield cells


def _parquet(path: Path, params: Params) -> RawRecords:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        require_columns(path, file.schema_arrow.names, params.columns)
        for batch in file.iter_batches():
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(f"{path} is not Parquet: {error}") from None
    except OverflowError as error:
        raise DataError(f"{path} has a date that Python cannot hold: {error}") from None
