"""The byte n-gram model is a probability distribution, and learns from its training texts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.baselines import ngram

# Film reviews from the VADER ratings (MIT license).
REVIEWS = [
    "Effective but too tepid biopic",
    "It 's a lovely film with lovely performances by Buy and Accorsi .",
    "No one goes unindicted here , which is probably for the best .",
    "The film is quiet , threatening and unforgettable .",
    "A film that is a portrait of grace in an imperfect world .",
    "Schrader examines crime with a film that is quiet and threatening .",
]
MODEL = ngram.ByteModel(REVIEWS)


@given(st.one_of(st.binary(max_size=12), st.sampled_from([r.encode()[:20] for r in REVIEWS])))
@settings(max_examples=30, deadline=None)
def test_probabilities_of_next_byte_and_end_of_text_sum_to_one(context: bytes) -> None:
    before = MODEL.probs(context)[:-1]
    end = MODEL.probs(context)[-1]
    following = [MODEL.probs(context + bytes([byte])) for byte in range(256)]
    assert sum(probs[len(context)] for probs in following) + end == pytest.approx(1.0)
    assert all(np.array_equal(probs[: len(context)], before) for probs in following)


def test_probabilities_of_short_texts_sum_to_less_than_one() -> None:
    """Texts of zero or one byte leave some probability mass for longer texts."""
    empty = 2 ** -MODEL.bits(b"")
    single = sum(2 ** -MODEL.bits(bytes([byte])) for byte in range(256))
    assert 0 < empty < empty + single < 1


def test_bits_are_summed_over_bytes_and_end_of_text() -> None:
    probs = MODEL.probs(b"film")
    assert len(probs) == 5
    assert MODEL.bits(b"film") == pytest.approx(-sum(math.log2(c) for c in probs))


def test_texts_like_the_training_texts_need_fewer_bits() -> None:
    seen, unseen = b"a lovely film that is quiet", "фильм".encode()
    assert MODEL.bits(seen) / len(seen) < 3 < 7 < MODEL.bits(unseen) / len(unseen)


def test_one_symbol_by_hand() -> None:
    """In ten texts "ab", b always follows a; shorter contexts distribute the discounted mass."""
    model = ngram.ByteModel(["ab"] * 10)
    b = model.probs(b"ab")[1]
    # There are too few n-grams to estimate discounts, so each discount is one half. The count of b
    # is 10 in the longest context. In each shorter context, its count is 1, because an n-gram is
    # then counted once per distinct symbol before it. In the empty context, the symbols a, b
    # and end-of-text have a count of 1 each.
    kept, prob = 0.5, (0.5 + 1.5 / 257) / 3
    for _ in range(ngram.ORDER - 1):
        prob = kept + 0.5 * prob
    assert b == pytest.approx((9.5 + 0.5 * prob) / 10)


def test_discounts_by_hand() -> None:
    counts = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4])
    y = 8 / (8 + 2 * 4)
    expected = [0, 1 - 2 * y * 4 / 8, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2]
    assert ngram._discounts(counts) == pytest.approx(expected)
