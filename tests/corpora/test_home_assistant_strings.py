from typing import Any

import pytest

from tandem.core.schema import PluginParams
from tandem.corpora.home_assistant_strings import strings
from tandem.sources import package


@pytest.fixture(scope="module")
def rows(sources: dict[str, PluginParams]) -> list[dict[str, Any]]:
    return list(package.rows(sources["translation"]))  # type: ignore[arg-type]


def test_the_numbers_of_pairs_and_components(rows: list[dict[str, Any]]) -> None:
    assert 36_000 < len(rows) < 36_500
    assert len({row["group"] for row in rows}) > 1_100


def test_pairs_differ_and_are_unique(rows: list[dict[str, Any]]) -> None:
    assert all(row["text"] != row["target"] for row in rows)
    assert len({(row["text"], row["target"]) for row in rows}) == len(rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_known_pair(rows: list[dict[str, Any]]) -> None:
    row = next(r for r in rows if r["id"] == "zwave_js/config/error/invalid_ws_url")
    assert row["group"] == row["domain"] == "zwave_js"
    assert (row["text"], row["target"]) == ("Invalid websocket URL", "Ungültige Websocket-URL")


def test_one_text_in_nine_has_placeholders(rows: list[dict[str, Any]]) -> None:
    fraction = sum("{" in row["text"] for row in rows) / len(rows)
    assert 0.09 < fraction < 0.13


def test_strings_are_found_at_any_depth() -> None:
    tree = {"a": {"b": "x", "c": {"d": "y"}}, "e": "z", "f": 1}
    assert dict(strings(tree)) == {"a/b": "x", "a/c/d": "y", "e": "z"}
