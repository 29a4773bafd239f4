import pytest

from tandem.text.normalize import letters, same
from tandem.text.repair import repaired


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("That was FUN!!!", "that was fun"),
        ("Input 1", "input 2"),
        ("R&amp;B  <b>live</b>", "R&B live"),
        ("schÃ¶n", "schön"),
    ],
)
def test_words_alone_count_across_splits(one: str, other: str) -> None:
    assert letters(one) == letters(other)


def test_cleaning_tells_digits_and_signs_apart() -> None:
    assert same("great :)") != same("great :(")
    assert same("Input 1") != same("Input 2")
    assert same(" Straße ") == same("STRASSE")


def test_a_text_without_letters_is_its_own_form() -> None:
    assert letters("12:30") == "12:30" != letters("12:31")
    assert letters("{name}", [(0, 6)]) == "{name}"


def test_pieces_part_words_and_are_left_out() -> None:
    assert letters("the attic lamp", [(4, 9)]) == "the lamp"


@pytest.mark.parametrize("text", ["R&amp;B  live", "x <b>y</b>", "a\u200bb 5"])
def test_raw_and_repaired_text_have_one_form(text: str) -> None:
    assert letters(text) == letters(repaired(text))
