import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.core.errors import DataError, HashMismatch
from tandem.core.raw_records import Unreadable
from tandem.sources import files

ROWS = [
    {"text": "Good film.", "label": "positive"},
    {"text": 'So "so",\nno more', "label": "neutral"},
]


def read(path: Path, file_format: str, sha256: str | None = None, **more: Any) -> list[Any]:
    content = path.read_bytes() if path.is_file() else b""
    pin = sha256 or hashlib.sha256(content).hexdigest()
    raw = {"kind": "files", "format": file_format, "files": [{"path": str(path), "sha256": pin}]}
    return list(files.rows(files.Params.model_validate(raw | more)))


def write_csv(path: Path, rows: list[dict[str, str]], **more: Any) -> Path:
    with path.open("w", newline="", **more) as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_csv(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "a.csv", ROWS), "csv") == ROWS


def test_a_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS, encoding="utf-8-sig")
    assert read(path, "csv") == ROWS


def test_jsonl_keeps_types(tmp_path: Path) -> None:
    rows = [{"text": "a", "ratings": [1, -2]}, {"text": "ü"}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert read(path, "jsonl") == rows


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert read(path, "parquet") == ROWS


def test_text_has_one_row_per_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"eins\r\n\nzwei\n")
    assert read(path, "text") == [{"text": "eins"}, {"text": "zwei"}]


def test_columns_are_renamed_to_fields(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"review": "a", "stars": "5", "text": "not this"}])
    assert read(path, "csv", columns={"text": "review"}) == [{"stars": "5", "text": "a"}]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_missing_column_suggests_the_closest_name(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"a.{file_format}"
    if file_format == "csv":
        write_csv(path, ROWS)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    with pytest.raises(
        DataError, match=r"no column 'lable' \(for label\)\. Did you mean 'label'\?"
    ):
        read(path, file_format, columns={"label": "lable"})


def test_broken_lines_are_kept_and_reading_continues(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'text,label\ngood,positive\nhalf\n"un"quoted,neutral\nbad \xff,negative\nlast,x\n'
    )
    rows = read(path, "csv")
    assert [row for row in rows if isinstance(row, dict)] == [
        {"text": "good", "label": "positive"},
        {"text": "last", "label": "x"},
    ]
    unreadable = {row.reason: row.text for row in rows if isinstance(row, Unreadable)}
    assert set(unreadable) == {"wrong_number_of_cells", "broken_csv", "wrong_encoding"}
    assert unreadable["wrong_number_of_cells"] == "half"
    assert unreadable["wrong_encoding"] == "bad \N{REPLACEMENT CHARACTER},negative"


def test_an_unclosed_quote_breaks_only_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"open,neutral\ngood,positive\n"two\nlines",x\n"end,y\n')
    assert read(path, "csv") == [
        Unreadable("broken_csv", '"open,neutral'),
        {"text": "good", "label": "positive"},
        {"text": "two\nlines", "label": "x"},
        Unreadable("broken_csv", '"end,y'),
    ]


def test_a_cell_may_be_huge(tmp_path: Path) -> None:
    rows = [{"text": "word " * 100_000 + '\n"', "label": "positive"}, *ROWS]
    assert read(write_csv(tmp_path / "a.csv", rows), "csv") == rows


def test_broken_json_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = b"[" * 100_000
    path.write_bytes(b'{"text": "a"}\n{"text": \n[1]\n{"text": "\xe4"}\n' + deep)
    reasons = [row.reason for row in read(path, "jsonl")[1:]]
    assert reasons == ["broken_json", "not_an_object", "wrong_encoding", "broken_json"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_must_be_named_as_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a"
    path.write_bytes("text\none\ntwo\n".encode(encoding))
    assert {row.reason for row in read(path, "text")} == {"wrong_encoding"}
    with pytest.raises(DataError, match="the header cannot be read as CSV in utf-8"):
        read(path, "csv")
    assert read(path, "csv", encoding=encoding) == [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_two_columns_with_one_name_are_an_error(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"a.{file_format}"
    if file_format == "csv":
        path.write_text("text,text,,\na,b,,\n")
    else:
        pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), path)
    with pytest.raises(DataError, match="more than one column named 'text': rename all but one"):
        read(path, file_format)


def test_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Grüße".encode("latin-1"))
    assert read(path, "text", encoding="latin-1") == [{"text": "Grüße"}]
    assert [row.reason for row in read(path, "text")] == ["wrong_encoding"]
    for name in ("utf-9", "base64", "undefined"):
        with pytest.raises(ValueError, match=f"unknown encoding '{name}'"):
            read(path, "text", encoding=name)


def test_a_file_in_the_wrong_encoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n".encode("utf-16"))
    with pytest.raises(DataError, match="the header cannot be read as CSV in utf-8"):
        read(path, "csv")
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="is not utf-32"):
        read(path, "text", encoding="utf-32")


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet", "text"])
def test_an_empty_or_missing_file_is_an_error(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / "a"
    with pytest.raises(DataError, match="is missing"):
        read(path, file_format)
    path.touch()
    with pytest.raises(DataError, match="is empty"):
        read(path, file_format)


def test_a_file_that_is_not_parquet_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("text,label")
    with pytest.raises(DataError, match="is not Parquet"):
        read(path, "parquet")


def test_damaged_parquet_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 40 + whole[44:])
    with pytest.raises(DataError, match=r"a\.parquet: .*[Cc]ouldn't deserialize"):
        read(path, "parquet")
    pq.write_table(pa.table({"at": pa.array([2**62], pa.timestamp("ms"))}), path)
    with pytest.raises(DataError, match="has a date that Python cannot represent"):
        read(path, "parquet")


def test_a_pinned_file_that_changed_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    pinned = hashlib.sha256(b"one").hexdigest()
    assert read(path, "text", sha256=pinned) == [{"text": "one"}]
    path.write_text("two")
    with pytest.raises(HashMismatch, match=pinned):
        read(path, "text", sha256=pinned)


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=50)
@given(st.lists(st.fixed_dictionaries({"text": cells, "label": cells}), min_size=1))
def test_csv_preserves_any_text(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    path = write_csv(tmp_path_factory.mktemp("csv") / "a.csv", rows, encoding="utf-8")
    assert read(path, "csv") == rows
