from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.rows import Span
from tandem.tasks.intent import IntentRow
from tandem.tasks.intent import Task as Intent
from tandem.tasks.translation import Task as Translation
from tandem.tasks.translation import TranslationRow
from tandem.text.protected import SENTINEL, mask_pieces, merged, protected, put_back, rewrite
from tandem.text.repair import repaired

WORDS = st.text(st.sampled_from("abä &;<>!{}\u200b\t1"), max_size=12)
PIECES = st.text(st.sampled_from("ab  ü{}&<"), min_size=1, max_size=8)


@st.composite
def intent_rows(draw: st.DrawFn) -> IntentRow:
    """Text and spans in turn, the spans' own texts as awkward as the rest."""
    gaps = draw(st.lists(WORDS, min_size=1, max_size=5))
    text, spans = gaps[0], []
    for number, gap in enumerate(gaps[1:]):
        piece = draw(PIECES)
        spans.append(Span(start=len(text), end=len(text) + len(piece), label=f"slot{number}"))
        text += piece + gap
    return IntentRow(
        id="1", group="1", domain="home", text=text, label="HassTurnOn", spans=tuple(spans)
    )


def said(row: IntentRow) -> dict[str, str]:
    return {span.label: row.text[span.start : span.end] for span in row.spans}


@given(intent_rows())
def test_spans_keep_their_words_when_the_text_is_repaired(row: IntentRow) -> None:
    after = rewrite(row, Intent(), repaired)
    assert said(after) == said(row)
    assert not SENTINEL.search(after.text)


@given(intent_rows())
def test_spans_keep_their_words_when_words_change_places(row: IntentRow) -> None:
    after = rewrite(row, Intent(), lambda text: " ".join(reversed(text.split(" "))))
    assert said(after) == said(row)
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
    after = rewrite(row, Intent(), repaired)
    assert after.text == "turn on {name} in the attic"
    assert said(after) == {"name": "{name}", "area": "attic"}


def test_placeholders_of_both_sides_stay() -> None:
    row = TranslationRow(
        id="1", group="1", domain="1", text="a <b>{x}</b>", target="  {x}  &amp; {y}"
    )
    for field in ("text", "target"):
        row = rewrite(row, Translation(), repaired, field)
    assert (row.text, row.target) == ("a {x}", "{x} & {y}")
    assert protected(row, Translation(), "target") == [(0, 3), (6, 9)]


def test_a_tag_around_a_placeholder_is_left_alone_rather_than_the_placeholder_lost() -> None:
    row = TranslationRow(id="1", group="1", domain="1", text='<a href="{url}">x</a>', target="x")
    assert "{url}" in rewrite(row, Translation(), repaired).text


def test_an_edit_that_loses_or_doubles_a_piece_is_a_defect() -> None:
    for edit in (lambda text: "", lambda text: text * 2):
        with pytest.raises(ValueError, match="piece"):
            put_back("see {x}", [(4, 7)], edit(mask_pieces("see {x}", [(4, 7)])))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_merged_pieces_cover_the_same_characters_and_are_disjoint(
    pieces: list[tuple[int, int]],
) -> None:
    joined = merged(pieces)
    covered = {at for start, end in pieces for at in range(start, end)}
    assert {at for start, end in joined for at in range(start, end)} == covered
    assert all(one[1] <= other[0] for one, other in pairwise(joined))
