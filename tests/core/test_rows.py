from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.errors import StageError
from tandem.core.rows import Row, Span, hash_sample, read_rows, write_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything(Row):
    ratings: tuple[int, ...]
    spans: tuple[Span, ...]
    mean: float


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(
    st.builds(
        Everything,
        id=TEXT,
        group=TEXT,
        domain=TEXT,
        text=TEXT,
        parent=st.none() | TEXT,
        holdout=st.none() | TEXT,
        ratings=st.lists(st.integers(-4, 4), max_size=3).map(tuple),
        spans=st.lists(
            st.builds(Span, start=st.integers(0, 9), end=st.integers(0, 9), label=TEXT), max_size=2
        ).map(tuple),
        mean=st.floats(allow_nan=False),
    ),
    max_size=5,
)


@given(ROWS)
def test_rows_are_read_as_they_were_written(rows: list[Everything]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.parquet", Path(folder) / "second.parquet"
        write_rows(first, rows, Everything)
        write_rows(second, rows, Everything)
        assert read_rows(first, Everything) == rows
        assert first.read_bytes() == second.read_bytes()


def test_another_schema_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_text("no parquet")
    with pytest.raises(StageError, match=r"rows\.parquet is not a table of Row"):
        read_rows(path, Row)


def test_a_larger_sample_contains_a_smaller_one() -> None:
    rows = [Row(id=f"r{n}", group="g", domain="d", text="t") for n in range(50)]
    assert hash_sample(rows, 10) == hash_sample(rows[::-1], 20)[:10]
    assert hash_sample(rows, 10) != rows[:10]
    assert len(hash_sample(rows, None)) == 50
