"""First embeddings: tokens that occur in the same pairs of texts start out alike.

In a few hundred steps a network hardly learns which words belong together; counting tells at
once, across the languages too, for a pair is a document of both (Levy, Søgaard & Goldberg 2017,
"A Strong Baseline for Learning Cross-Lingual Word Embeddings from Sentence Alignments").

LAPACK's decompositions give other bits on other CPUs, whatever is pinned. So the decomposition is
done here, of matrix products, sums and elementwise operations, which do not.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import normalize

ROUNDS = 6
"""Products with the matrix, each of which turns the basis towards its first eigenvectors."""


def init_from_cooccurrence(weight: Tensor, texts: Sequence[set[int]]) -> None:
    """Move the rows of `weight`, (tokens, width), half the way to those of related tokens.

    `texts` are the tokens of each pair, both sides together. The other half stays random, so that
    a token can still be told from its translation. A token of no text stays as it is.
    """
    vectors, seen = _vectors(weight, texts)
    mixed = normalize(vectors + normalize(weight.detach(), dim=1), dim=1)
    with torch.no_grad():
        weight.copy_(mixed.where(seen[:, None], weight))


def _vectors(weight: Tensor, texts: Sequence[set[int]]) -> tuple[Tensor, Tensor]:
    """Unit vectors (tokens, width) from positive pointwise mutual information; which were seen.

    The square roots of the singular values are as Levy, Goldberg & Dagan 2015 advise.
    """
    size, width = weight.shape
    tokens = [token for text in texts for token in sorted(text)]
    starts = np.cumsum([0, *(len(text) for text in texts)])
    table = csr_array((np.ones(len(tokens)), tokens, starts), shape=(len(texts), size))
    together = torch.from_numpy((table.T @ table).toarray()).float()
    alone = together.diagonal().clone()
    expected = (alone[:, None] * alone / len(texts)).clamp(min=1 / len(texts))
    information = (together / expected).clamp(min=1).log()
    basis, values = eigenvectors(information, min(width, size))
    found = torch.zeros_like(weight)
    found[:, : len(basis)] = (basis * values.sqrt()[:, None]).T
    return normalize(found, dim=1), alone > 0


def eigenvectors(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Orthonormal rows (count, size) near the first eigenvectors, and the size of their values.

    Orthogonal iteration (Golub & Van Loan 2013, "Matrix Computations", section 8.2.4) from random
    rows. After a few rounds they span the space of the eigenvectors of the largest values, and
    are mixed only among those of similar values.
    """
    rows, _ = orthonormal(torch.randn(count, len(symmetric)))
    lengths = torch.ones(count)
    for _ in range(ROUNDS):
        rows, lengths = orthonormal(rows @ symmetric)
    return rows, lengths


def orthonormal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """An orthonormal basis of `rows` by modified Gram-Schmidt, and what was left of each row.

    A row that depends on those before it becomes zero.
    """
    rows = rows.clone()
    lengths = torch.zeros(len(rows))
    scale = (rows * rows).sum(1).max().sqrt()
    for index, row in enumerate(rows):
        length = (row * row).sum().sqrt()
        if length <= 1e-5 * scale:
            row.zero_()
            continue
        lengths[index] = length
        row /= length
        later = rows[index + 1 :]
        later -= (later * row).sum(1, keepdim=True) * row
    return rows, lengths
