"""How the rows that a model is fitted on form batches."""

from collections.abc import Iterator, Sequence

import torch


class LengthGroupedSampler(torch.utils.data.Sampler[int]):
    """Indices such that each batch in turn has like lengths, in a new order each epoch.

    Unlike `group_by_length` of transformers, whose batches run from long to short within 50, the
    batches are shuffled, so the last, slow steps see all lengths. The random numbers are torch's,
    which the Trainer seeds. Processes that take turns with the batches of one order give a `seed`:
    dropout moves torch's numbers by as much as a batch is long, which differs between them.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, pool: int = 50, seed: int | None = None
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.pool = pool * batch_size
        self.stream = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self), generator=self.stream).tolist()
        for start in range(0, len(order), self.pool):
            pool = sorted(order[start : start + self.pool], key=lambda i: self.lengths[i])
            order[start : start + self.pool] = pool
        whole = len(order) - len(order) % self.batch_size
        batches = torch.randperm(whole // self.batch_size, generator=self.stream)
        for batch in batches.tolist():
            yield from order[batch * self.batch_size : (batch + 1) * self.batch_size]
        yield from order[whole:]
