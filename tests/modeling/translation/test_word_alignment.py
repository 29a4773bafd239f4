import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.modeling.translation.word_alignment import (
    Truecaser,
    align,
    join,
    key,
    match_case,
    symmetrize,
    words,
)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Set up {name}.", ["▁Set", "▁up", "▁{name}", "."]),
        ("Wi-Fi's IP (v4)", ["▁Wi-Fi's", "▁IP", "▁(", "v4", ")"]),
        ("", []),
    ],
)
def test_words_keep_hyphens_placeholders_and_spaces(text: str, tokens: list[str]) -> None:
    assert words(text) == tokens
    assert join(tokens) == text


@given(st.text(st.characters(exclude_characters="▁")))
def test_join_is_the_inverse_of_words_except_for_repeated_spaces(text: str) -> None:
    assert join(words(text)).split() == text.split()


def test_model_1_finds_translations() -> None:
    # the usual textbook example of IBM Model 1: the house, the book, a book
    pairs = [("das haus", "the house"), ("das buch", "the book"), ("ein buch", "a book")]
    result = align([(s.split(), t.split()) for s, t in pairs], rounds=20, tension=0.0)
    best = {s: max(t, key=lambda word: t[word]) for s, t in result.translations.items() if s}
    assert best == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}
    for targets in result.translations.values():
        assert sum(targets.values()) == pytest.approx(1)


def test_links_follow_a_change_of_word_order() -> None:
    pairs = [("a b", "Y X"), ("a", "X"), ("b", "Y"), ("a c", "X Z"), ("c b", "Z Y")]
    result = align([(s.split(), t.split()) for s, t in pairs], tension=1.0)
    assert next(result.links()) == {(0, 1), (1, 0)}


def test_symmetrize_grows_the_links_of_both_directions() -> None:
    forward = {(0, 0), (1, 1), (3, 3)}
    backward = {(0, 0), (2, 1), (0, 4)}  # target index first
    assert symmetrize(forward, backward) == {(0, 0), (1, 1), (1, 2), (3, 3)}
    assert symmetrize({(0, 0)}, {(1, 0)}) == {(0, 0)}


def test_first_word_is_written_as_inside_a_sentence() -> None:
    cases = Truecaser(
        [words("Das Gerät ist neu"), words("Ist das Gerät neu"), words("Neue Geräte")]
    )
    assert cases.inside(words("Ist neu")) == ["▁ist", "▁neu"]
    assert cases.inside(words("Gerät")) == ["▁Gerät"]
    assert cases.inside(words("Unbekannt")) == ["▁Unbekannt"]
    assert cases.inside([]) == []


def test_match_case_only_adds_a_capital() -> None:
    assert match_case("Set", "einstellen") == "Einstellen"
    assert match_case("set", "IP") == "IP"
    assert match_case("Set", "") == ""


def test_key_has_no_case_and_no_space() -> None:
    assert key("▁Wi-Fi") == "wi-fi"
