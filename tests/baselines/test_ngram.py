"""The byte model is a distribution, and learns."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.baselines import ngram

# From the VADER ratings' film reviews, MIT.
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
def test_next_bytes_and_the_end_sum_to_one(context: bytes) -> None:
    before = MODEL.chances(context)[:-1]
    end = MODEL.chances(context)[-1]
    following = [MODEL.chances(context + bytes([byte])) for byte in range(256)]
    assert sum(chances[len(context)] for chances in following) + end == pytest.approx(1.0)
    assert all(np.array_equal(chances[: len(context)], before) for chances in following)


def test_short_texts_hold_no_more_than_all_chance() -> None:
    """Over all texts of no and one byte the chances sum to less than one: the rest is longer."""
    empty = 2 ** -MODEL.bits(b"")
    single = sum(2 ** -MODEL.bits(bytes([byte])) for byte in range(256))
    assert 0 < empty < empty + single < 1


def test_bits_add_up_the_bytes_and_the_end() -> None:
    chances = MODEL.chances(b"film")
    assert len(chances) == 5
    assert MODEL.bits(b"film") == pytest.approx(-sum(math.log2(c) for c in chances))


def test_what_was_seen_costs_less() -> None:
    seen, foreign = b"a lovely film that is quiet", "фильм".encode()
    assert MODEL.bits(seen) / len(seen) < 3 < 7 < MODEL.bits(foreign) / len(foreign)


def test_one_symbol_by_hand() -> None:
    """After "a" in ten texts "ab" stood b ten times: what is left for others is the discount."""
    model = ngram.ByteModel(["ab"] * 10)
    b = model.chances(b"ab")[1]
    # too few grams to estimate discounts: one half at each of the seven orders, and each order's
    # count is 10 at the longest, 1 below (seen after one symbol), 3 kinds of symbols at the last
    kept, chance = 0.5, (0.5 + 1.5 / 257) / 3
    for _ in range(ngram.ORDER - 1):
        chance = kept + 0.5 * chance
    assert b == pytest.approx((9.5 + 0.5 * chance) / 10)


def test_discounts_are_chen_and_goodmans() -> None:
    counts = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4])
    share = 8 / (8 + 2 * 4)
    expected = [0, 1 - 2 * share * 4 / 8, 2 - 3 * share * 2 / 4, 3 - 4 * share * 1 / 2]
    assert ngram._discounts(counts) == pytest.approx(expected)
