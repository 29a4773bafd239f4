import pytest

from tandem.text.normalize import dedup_key, split_key
from tandem.text.repair import repair_text


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("That was FUN!!!", "that was fun"),
        ("Input 1", "input 2"),
        ("R&amp;B  <b>live</b>", "R&B live"),
        ("schÃ¶n", "schön"),
    ],
)
def test_split_key_ignores_everything_but_words(a: str, b: str) -> None:
    assert split_key(a) == split_key(b)


def test_dedup_key_distinguishes_digits_and_punctuation() -> None:
    assert dedup_key("great :)") != dedup_key("great :(")
    assert dedup_key("Input 1") != dedup_key("Input 2")
    assert dedup_key(" Straße ") == dedup_key("STRASSE")


def test_a_text_without_letters_is_its_own_split_key() -> None:
    assert split_key("12:30") == "12:30" != split_key("12:31")
    assert split_key("{name}", [(0, 6)]) == "{name}"


def test_pieces_separate_words_and_are_left_out() -> None:
    assert split_key("the attic lamp", [(4, 9)]) == "the lamp"


@pytest.mark.parametrize("text", ["R&amp;B  live", "x <b>y</b>", "a\u200bb 5"])
def test_raw_and_repaired_text_have_the_same_split_key(text: str) -> None:
    assert split_key(text) == split_key(repair_text(text))
