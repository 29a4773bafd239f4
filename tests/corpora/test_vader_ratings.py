from collections import Counter
from typing import Any

import pytest

from tandem.core.schema import PluginParams
from tandem.corpora.vader_ratings import label
from tandem.sources import package


@pytest.fixture(scope="module")
def rows(sources: dict[str, PluginParams]) -> list[dict[str, Any]]:
    return list(package.rows(sources["sentiment"]))  # type: ignore[arg-type]


def test_all_texts_of_the_four_domains_are_read(rows: list[dict[str, Any]]) -> None:
    sizes = Counter(row["domain"] for row in rows)
    assert sizes == {"movie": 10_605, "amazon": 3_708, "nyt": 5_190, "tweets": 4_200}
    assert len({row["id"] for row in rows}) == len(rows)
    groups = {domain: len({r["group"] for r in rows if r["domain"] == domain}) for domain in sizes}
    assert groups == {"movie": 10_605, "amazon": 300, "nyt": 498, "tweets": 4_200}


def test_texts_and_ratings_are_joined_by_id(rows: list[dict[str, Any]]) -> None:
    by_id = {row["id"]: row for row in rows}
    row = by_id["movie/3"]
    assert row["text"] == "Effective but too tepid biopic"
    assert row["ratings"] == [-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1]
    assert row["label"] == "negative"
    # A file of this domain starts with a byte order mark, which must not be part of the first id.
    assert by_id["amazon/1_1"]["ratings"][:5] == [0, -1, 0, 0, -1]


def test_ratings_are_in_range(rows: list[dict[str, Any]]) -> None:
    assert all(15 <= len(row["ratings"]) <= 99 for row in rows)
    assert {rating for row in rows for rating in row["ratings"]} <= set(range(-4, 5))
    assert not any("\ufeff" in row["id"] or "\r" in row["text"] for row in rows)


def test_generation_has_the_same_ids_and_groups(
    rows: list[dict[str, Any]], sources: dict[str, PluginParams]
) -> None:
    groups = {row["id"]: row["group"] for row in rows}
    records = list(package.rows(sources["generation"]))  # type: ignore[arg-type]
    assert len(records) == 10_605
    assert all(groups[row["id"]] == row["group"] for row in records)  # type: ignore[index]


@pytest.mark.parametrize(
    ("mean", "expected"),
    [(0.5, "positive"), (0.49, "neutral"), (-0.49, "neutral"), (-0.5, "negative")],
)
def test_neutral_ends_at_the_threshold(mean: float, expected: str) -> None:
    assert label(mean, 0.5) == expected
