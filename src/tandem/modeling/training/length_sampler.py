"""The order of training examples: batches of examples of similar length, in random order."""

from collections.abc import Iterator, Sequence

import torch


class LengthGroupedSampler(torch.utils.data.Sampler[int]):
    """Indices of examples, batched by similar length, in a new order each epoch.

    transformers' `group_by_length` sorts each chunk of 50 batches from long to short. This
    sampler also shuffles the batches, so that the last steps of training contain examples of all
    lengths.

    Args:
        lengths: the length of each example.
        batch_size: the number of examples per batch.
        pool: the number of batches whose examples are sorted by length together.
        seed: seed of the sampler's own random number generator. By default, torch's global
            generator is used, which the Trainer seeds. Several processes that divide the batches
            among themselves need a seed to get the same order, because dropout advances the global
            generator by an amount that depends on the length of a batch, and each process gets
            batches of different lengths.
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
