import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.modeling.translation.word_alignment import (
    Truecaser,
    align,
    join,
    key,
    match_case,
    symmetrise,
    words,
)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Set up {name}.", ["▁Set", "▁up", "▁{name}", "."]),
        ("Wi-Fi's IP (v4)", ["▁Wi-Fi's", "▁IP", "▁(", "v4", ")"]),
        ("", []),
    ],
)
def test_words_keep_hyphens_placeholders_and_spaces(text: str, cut: list[str]) -> None:
    assert words(text) == cut
    assert join(cut) == text


@given(st.text(st.characters(exclude_characters="▁")))
def test_join_is_the_inverse_of_words_but_for_runs_of_space(text: str) -> None:
    assert join(words(text)).split() == text.split()


def test_model_1_finds_the_words_that_stand_together() -> None:
    # the example of Brown et al.'s tutorial tradition: the house, the book, a book
    pairs = [("das haus", "the house"), ("das buch", "the book"), ("ein buch", "a book")]
    found = align([(s.split(), t.split()) for s, t in pairs], rounds=20, tension=0.0)
    best = {s: max(t, key=lambda word: t[word]) for s, t in found.translations.items() if s}
    assert best == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}
    for targets in found.translations.values():
        assert sum(targets.values()) == pytest.approx(1)


def test_links_follow_the_words_across_a_change_of_order() -> None:
    pairs = [("a b", "Y X"), ("a", "X"), ("b", "Y"), ("a c", "X Z"), ("c b", "Z Y")]
    found = align([(s.split(), t.split()) for s, t in pairs], tension=1.0)
    assert next(found.links()) == {(0, 1), (1, 0)}


def test_symmetrise_keeps_what_both_found_and_grows_it() -> None:
    forward = {(0, 0), (1, 1), (3, 3)}
    backward = {(0, 0), (2, 1), (0, 4)}  # target index first
    assert symmetrise(forward, backward) == {(0, 0), (1, 1), (1, 2), (3, 3)}
    assert symmetrise({(0, 0)}, {(1, 0)}) == {(0, 0)}


def test_a_sentences_first_word_is_written_as_inside_one() -> None:
    cases = Truecaser(
        [words("Das Gerät ist neu"), words("Ist das Gerät neu"), words("Neue Geräte")]
    )
    assert cases.inside(words("Ist neu")) == ["▁ist", "▁neu"]
    assert cases.inside(words("Gerät")) == ["▁Gerät"]
    assert cases.inside(words("Unbekannt")) == ["▁Unbekannt"]
    assert cases.inside([]) == []


def test_like_only_ever_adds_a_capital() -> None:
    assert match_case("Set", "einstellen") == "Einstellen"
    assert match_case("set", "IP") == "IP"
    assert match_case("Set", "") == ""


def test_key_has_no_case_and_no_space() -> None:
    assert key("▁Wi-Fi") == "wi-fi"
