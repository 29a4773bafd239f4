"""Batches of sequences sorted by length: ties keep their order, and each index occurs once."""

from hypothesis import given
from hypothesis import strategies as st

from tandem.modeling.batching import length_batches


def test_batches_are_sorted_by_length_in_either_direction() -> None:
    sequences = [[1], [1, 2, 3], [1, 2], [4]]
    assert length_batches(sequences, 2) == [[0, 3], [2, 1]]
    assert length_batches(sequences, 2, longest_first=True) == [[1, 2], [0, 3]]
    assert length_batches(sequences, 3) == [[0, 3, 2], [1]]
    assert length_batches([], 2) == []


@given(st.lists(st.text(max_size=4), max_size=20), st.integers(1, 7), st.booleans())
def test_each_index_occurs_once_and_ties_keep_their_order(
    sequences: list[str], batch_size: int, longest_first: bool
) -> None:
    batches = length_batches(sequences, batch_size, longest_first)
    order = [index for batch in batches for index in batch]
    sign = -1 if longest_first else 1
    assert order == sorted(range(len(sequences)), key=lambda i: (sign * len(sequences[i]), i))
    assert all(len(batch) == batch_size for batch in batches[:-1])
