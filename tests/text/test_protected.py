from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.rows import Span
from tandem.tasks.intent import IntentRow
from tandem.tasks.intent import Task as Intent
from tandem.tasks.translation import Task as Translation
from tandem.tasks.translation import TranslationRow
from tandem.text.protected import (
    SENTINEL,
    mask_pieces,
    merge_pieces,
    protected,
    restore_pieces,
    rewrite,
)
from tandem.text.repair import repair_text

WORDS = st.text(st.sampled_from("abä &;<>!{}\u200b\t1"), max_size=12)
PIECES = st.text(st.sampled_from("ab  ü{}&<"), min_size=1, max_size=8)


@st.composite
def intent_rows(draw: st.DrawFn) -> IntentRow:
    """Rows whose spans and other text contain characters that `repair_text` changes."""
    gaps = draw(st.lists(WORDS, min_size=1, max_size=5))
    text, spans = gaps[0], []
    for number, gap in enumerate(gaps[1:]):
        piece = draw(PIECES)
        spans.append(Span(start=len(text), end=len(text) + len(piece), label=f"slot{number}"))
        text += piece + gap
    return IntentRow(
        id="1", group="1", domain="home", text=text, label="HassTurnOn", spans=tuple(spans)
    )


def span_texts(row: IntentRow) -> dict[str, str]:
    return {span.label: row.text[span.start : span.end] for span in row.spans}


@given(intent_rows())
def test_spans_keep_their_text_when_the_rest_is_repaired(row: IntentRow) -> None:
    after = rewrite(row, Intent(), repair_text)
    assert span_texts(after) == span_texts(row)
    assert not SENTINEL.search(after.text)


@given(intent_rows())
def test_spans_keep_their_text_when_words_are_reordered(row: IntentRow) -> None:
    after = rewrite(row, Intent(), lambda text: " ".join(reversed(text.split(" "))))
    assert span_texts(after) == span_texts(row)
    starts = [span.start for span in after.spans]
    assert starts == sorted(starts)


def test_the_example_of_the_docstring() -> None:
    row = IntentRow(
        id="1",
        group="1",
        domain="home",
        text="turn on {name} in the  attic",
        label="HassTurnOn",
        spans=(Span(start=8, end=14, label="name"), Span(start=23, end=28, label="area")),
    )
    after = rewrite(row, Intent(), repair_text)
    assert after.text == "turn on {name} in the attic"
    assert span_texts(after) == {"name": "{name}", "area": "attic"}


def test_placeholders_of_both_fields_stay() -> None:
    row = TranslationRow(
        id="1", group="1", domain="1", text="a <b>{x}</b>", target="  {x}  &amp; {y}"
    )
    for field in ("text", "target"):
        row = rewrite(row, Translation(), repair_text, field)
    assert (row.text, row.target) == ("a {x}", "{x} & {y}")
    assert protected(row, Translation(), "target") == [(0, 3), (6, 9)]


def test_a_tag_that_contains_a_placeholder_is_not_removed() -> None:
    row = TranslationRow(id="1", group="1", domain="1", text='<a href="{url}">x</a>', target="x")
    assert "{url}" in rewrite(row, Translation(), repair_text).text


def test_an_edit_that_removes_or_duplicates_a_protected_part_is_an_error() -> None:
    for edit in (lambda text: "", lambda text: text * 2):
        with pytest.raises(ValueError, match="protected part"):
            restore_pieces("see {x}", [(4, 7)], edit(mask_pieces("see {x}", [(4, 7)])))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_merged_pieces_cover_the_same_characters_and_are_disjoint(
    pieces: list[tuple[int, int]],
) -> None:
    merged = merge_pieces(pieces)
    covered = {i for start, end in pieces for i in range(start, end)}
    assert {i for start, end in merged for i in range(start, end)} == covered
    assert all(before[1] <= after[0] for before, after in pairwise(merged))
