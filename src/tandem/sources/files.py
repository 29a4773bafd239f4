"""Rows from the user's own files: CSV, JSON Lines, Parquet, or plain text with one row per line.

    source:
      kind: files
      format: csv
      files: [{path: reviews.csv, sha256: 9f86d081…}]
      columns: {text: review, label: stars}     # field name: column name

A line that cannot be read becomes an `Unreadable`; an unreadable file raises a DataError.
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
from tandem.core.raw_records import (
    UNKNOWN,
    DatasetInfo,
    RawRecord,
    RawRecords,
    SourceInfo,
    Unreadable,
)
from tandem.core.schema import StrictModel
from tandem.downloads.pypi import hash_mismatch, sha256
from tandem.sources import SourceParams

MAX_CELL_CHARS = 2**31 - 1
"""Maximum number of characters in a CSV cell; the csv module's default is only 131,072."""


class File(StrictModel):
    """A path relative to the project's root, and the SHA-256 that `sha256sum FILE` prints.

    The hash is required, because DVC detects a change to the file only by the hash.
    """

    path: str
    """Path relative to the project's root."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file, as `sha256sum FILE` prints it."""


class Params(SourceParams):
    """The files to read, and their format."""

    format: Literal["csv", "jsonl", "parquet", "text"]
    """Format of all files. `text` means one row per line."""
    files: list[File] = Field(min_length=1)
    """The files, in the order in which their rows are read."""
    columns: dict[str, str] = Field(default={})
    """Field name → name of its column in the file."""
    encoding: str = "utf-8"
    """Python's name for the encoding of the files."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Delimiter of CSV files; other formats have none."""
    about: DatasetInfo = UNKNOWN

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, name: str) -> str:
        """Reject names of unknown or non-text encodings; `base64`, for example, encodes bytes."""
        try:
            "a".encode(name)
        except (LookupError, UnicodeError):
            raise ValueError(f"unknown encoding {name!r}") from None
        return name


def rows(params: Params) -> RawRecords:
    """Yield the records of the files, in order.

    Raises:
        DataError: a file is missing, empty or not in the given format, or lacks a column.
        HashMismatch: the SHA-256 of a file differs from the pinned one.
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
            reason = " ".join((error.strerror or str(error)).split())
            raise DataError(f"cannot read {path}: {reason}") from None


def origin(params: Params) -> SourceInfo:
    """Return the dataset's description from params.yaml, and the hash of each file."""
    return SourceInfo(params.about, {file.path: f"sha256 {file.sha256}" for file in params.files})


def rename_columns(
    records: RawRecords, columns: dict[str, str]
) -> Iterator[RawRecord | Unreadable]:
    """Rename columns to field names.

    A renamed column is no longer available under its original name.

    Args:
        records: Records by column name.
        columns: Field name → column name.
    """
    renamed = set(columns.values())
    for record in records:
        if isinstance(record, Unreadable) or not columns:
            yield record
        else:
            others = {k: v for k, v in record.items() if k not in renamed and k not in columns}
            yield others | {field: record.get(column) for field, column in columns.items()}


def require_columns(where: object, names: Iterable[str], columns: dict[str, str]) -> None:
    """Check that the column names of a file or dataset are unique and include all required columns.

    Args:
        where: The file or dataset, for error messages.
        names: The names of its columns.
        columns: Field name → name of the required column.

    Raises:
        DataError: a required column is missing, or two columns have the same name.
    """
    names = list(names)
    if repeated := [name for name, count in Counter(names).items() if name and count > 1]:
        raise DataError(
            f"{where} has more than one column named {repeated[0]!r}: rename all but one"
        )
    for field, column in columns.items():
        if column not in names:
            similar = difflib.get_close_matches(column, names, n=1)
            hint = f" Did you mean {similar[0]!r}?" if similar else ""
            listed = ", ".join(names)
            raise DataError(
                f"{where} has no column {column!r} (for {field}).{hint} Its columns: {listed}"
            )


def _check(path: Path, file: File) -> None:
    if not path.is_file():
        raise DataError(
            f"{path} is missing or not a file; paths are relative to the project's root"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    if (digest := sha256(path)) != file.sha256:
        raise hash_mismatch(str(path), file.sha256, digest)


def _open(path: Path, params: Params) -> TextIO:
    """Open a text file; bytes invalid in its encoding become lone surrogates (see `_is_broken`).

    A UTF-8 file may start with a byte order mark, as written by spreadsheet programs.
    """
    is_utf8 = codecs.lookup(params.encoding).name == "utf-8"
    encoding = "utf-8-sig" if is_utf8 else params.encoding
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def _is_broken(text: str) -> bool:
    """Return whether `text` contains a sign of a wrong encoding: invalid bytes or a NUL."""
    return "\0" in text or (not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text))


def _printable(text: str) -> str:
    """Replace lone surrogates, which Parquet cannot store."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text(path: Path, params: Params) -> RawRecords:
    with _open(path, params) as file:
        for line in file:
            text = line.strip()
            if _is_broken(text):
                yield Unreadable("wrong_encoding", _printable(text))
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
        if isinstance(header, Unreadable) or any(map(_is_broken, header)):
            raise DataError(
                f"{path}: the header cannot be read as CSV in {params.encoding}; set `encoding`"
            )
        require_columns(path, header, params.columns)
        for cells in table:
            if isinstance(cells, Unreadable):
                yield cells
            elif any(map(_is_broken, cells)):
                yield Unreadable("wrong_encoding", _printable(params.delimiter.join(cells)))
            elif len(cells) != len(header):
                yield Unreadable("wrong_number_of_cells", params.delimiter.join(cells))
            else:
                yield dict(zip(header, cells, strict=True))


def _table(lines: Iterator[str], delimiter: str) -> Iterator[list[str] | Unreadable]:
    """Yield the cells of each row that is not blank; a row may span several lines.

    If a row cannot be parsed, only its first line is treated as broken, and reading continues
    with its second line. An unclosed quote therefore does not break the rows that follow.
    """
    csv.field_size_limit(MAX_CELL_CHARS)
    to_reread: deque[str] = deque()
    row_lines: list[str] = []

    def source() -> Iterator[str]:
        while line := to_reread.popleft() if to_reread else next(lines, ""):
            row_lines.append(line)
            yield line

    reader = csv.reader(source(), delimiter=delimiter, strict=True)
    while True:
        row_lines.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Unreadable("broken_csv", _printable(row_lines[0].rstrip("\r\n")))
            to_reread.extendleft(reversed(row_lines[1:]))
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
        raise DataError(f"{path} has a date that Python cannot represent: {error}") from None
