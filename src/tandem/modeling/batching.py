"""Batches of sequences of similar length, to minimize padding."""

from collections.abc import Sequence, Sized


def length_batches(
    sequences: Sequence[Sized], batch_size: int, longest_first: bool = False
) -> list[list[int]]:
    """The indices of `sequences`, sorted by sequence length and divided into batches.

    Sequences of equal length keep their order. The last batch may be smaller. With `longest_first`,
    the longest sequences come first, so if memory is insufficient, the first batch fails.

    >>> length_batches(["a", "abc", "ab", "b"], 2)
    [[0, 3], [2, 1]]
    """
    lengths = [len(sequence) for sequence in sequences]
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=longest_first)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
