import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.errors import DataError
from tandem.preferences.pairs import form_pairs
from tandem.preferences.params import PairFilter
from tandem.tasks.generation import GenerationRow

PAIR_FILTER = PairFilter(min_margin=1.0, min_z=3.0)


def row(name: str, *ratings: int, domain: str = "movie") -> GenerationRow:
    return GenerationRow(id=name, group=name, domain=domain, text=f"text {name}", ratings=ratings)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["movie", "tweets"]),
        st.lists(st.integers(-4, 4), min_size=0, max_size=8).map(tuple),
    ),
    max_size=30,
).map(lambda result: [row(str(i), *r, domain=d) for i, (d, r) in enumerate(result)])


@given(ROWS)
def test_pairs_are_disjoint_and_pass_the_filter(rows: list[GenerationRow]) -> None:
    try:
        pairs = form_pairs(rows, PAIR_FILTER, None, random.Random(1))
    except DataError:
        return
    by_text = {r.text: r for r in rows}
    used = [text for pair in pairs for text in (pair.chosen, pair.rejected)]
    assert len(used) == len(set(used))
    for pair in pairs:
        better, worse = by_text[pair.chosen], by_text[pair.rejected]
        assert better.domain == worse.domain == pair.domain
        means = [sum(r.ratings) / len(r.ratings) for r in (better, worse)]
        assert pair.gap == pytest.approx(means[0] - means[1])
        assert pair.gap >= 1 - 1e-9
        variance = sum(
            sum((x - mean) ** 2 for x in r.ratings) / (len(r.ratings) - 1) / len(r.ratings)
            for r, mean in zip((better, worse), means, strict=True)
        )
        assert pair.gap >= 3 * math.sqrt(variance) - 1e-9


def test_texts_that_are_not_distinguishable_form_no_pair() -> None:
    close = [row("a", 1, 1, 1), row("b", 1, 2, 1)]
    noisy = [row("a", 4, -4, 4), row("b", 4, -4, -4)]
    for rows in (close, noisy):
        with pytest.raises(DataError, match="no preference pair"):
            form_pairs(rows, PAIR_FILTER, None, random.Random(1))


def test_rows_without_ratings_are_reported() -> None:
    with pytest.raises(DataError, match="ratings"):
        form_pairs([row("a"), row("b", 3)], PAIR_FILTER, None, random.Random(1))


def test_pairs_are_within_a_domain() -> None:
    rows = [row("a", 3, 3, 2), row("b", -3, -3, -2, domain="tweets")]
    with pytest.raises(DataError):
        form_pairs(rows, PAIR_FILTER, None, random.Random(1))


def test_the_higher_rated_is_chosen_and_the_seed_decides(rated: list[GenerationRow]) -> None:
    pairs = form_pairs(rated, PAIR_FILTER, None, random.Random(1))
    assert len(pairs) >= 10
    means = {r.text: sum(r.ratings) / len(r.ratings) for r in rated}
    assert all(means[pair.chosen] > means[pair.rejected] + 1 for pair in pairs)
    assert pairs == form_pairs(rated, PAIR_FILTER, None, random.Random(1))
    assert pairs != form_pairs(rated, PAIR_FILTER, None, random.Random(2))
    assert form_pairs(rated, PAIR_FILTER, 3, random.Random(1)) == pairs[:3]
