from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tandem.text.words import editable, replace_core, sample_positions, vocabulary


@given(st.lists(st.sampled_from(["on", "--", "it's", "x\U000f0001"])), st.floats(0.01, 1))
def test_only_editable_words_are_sampled_at_the_given_rate(words: list[str], rate: float) -> None:
    positions = sample_positions(words, rate, Random(1))
    assert set(positions) <= set(editable(words))
    assert len(positions) == len(set(positions)) == round(rate * len(editable(words)))


def test_punctuation_around_a_word_stays() -> None:
    assert replace_core("(Wow)!", "film") == "(film)!"
    assert replace_core("it's,", "film") == "film,"


def test_the_vocabulary_contains_plain_words_as_often_as_they_occur() -> None:
    assert vocabulary(["A good, good film 3 :)", "it's <EMAIL>"]) == [
        "A",
        "good",
        "good",
        "film",
        "EMAIL",
    ]
