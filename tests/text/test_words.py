from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tandem.text.words import editable, replace_core, sample_positions, vocabulary


@given(st.lists(st.sampled_from(["on", "--", "it's", "x\U000f0001"])), st.floats(0.01, 1))
def test_only_free_words_are_touched_and_as_many_as_asked_for(
    words: list[str], rate: float
) -> None:
    drawn = sample_positions(words, rate, Random(1))
    assert set(drawn) <= set(editable(words))
    assert len(drawn) == len(set(drawn)) == round(rate * len(editable(words)))


def test_signs_around_a_word_stay() -> None:
    assert replace_core("(Wow)!", "film") == "(film)!"
    assert replace_core("it's,", "film") == "film,"


def test_the_vocabulary_holds_plain_words_as_often_as_they_occur() -> None:
    assert vocabulary(["A good, good film 3 :)", "it's <EMAIL>"]) == [
        "A",
        "good",
        "good",
        "film",
        "EMAIL",
    ]
