"""Initial embeddings: tokens that occur in the same pairs of texts get similar vectors.

A few hundred training steps are too few to learn which words are related. Co-occurrence counts
provide this knowledge from the start, even across languages, because a pair of texts can be treated
as one bilingual document (Levy, Søgaard & Goldberg 2017, "A Strong Baseline for Learning
Cross-Lingual Word Embeddings from Sentence Alignments").

The results of LAPACK's decompositions are not bit-identical on different CPUs, even if the
instruction set and MKL's code path are fixed. This module therefore decomposes the matrix of mutual
information with matrix products, sums and elementwise operations, whose results are bit-identical
if the instruction set and MKL's code path are fixed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import normalize

ROUNDS = 6
"""Number of rounds of orthogonal iteration, each of which rotates the basis towards the leading
eigenvectors."""


def init_from_cooccurrence(weight: Tensor, texts: Sequence[set[int]]) -> None:
    """Make the embeddings of related tokens similar, in place.

    Each token's embedding becomes the normalized sum of a co-occurrence vector and the token's
    random initial vector, so that a token remains distinguishable from its translation. The
    embeddings of tokens that occur in no text are not changed.

    Args:
        weight: the embeddings, of shape (tokens, width).
        texts: for each pair of texts, the set of tokens that occur in either of the two.
    """
    vectors, seen = _cooccurrence_vectors(weight, texts)
    mixed = normalize(vectors + normalize(weight.detach(), dim=1), dim=1)
    with torch.no_grad():
        weight.copy_(mixed.where(seen[:, None], weight))


def _cooccurrence_vectors(weight: Tensor, texts: Sequence[set[int]]) -> tuple[Tensor, Tensor]:
    """A unit vector per token, and a mask of the tokens that occur in `texts`.

    The shapes are (tokens, width) and (tokens,). The vectors factorize the matrix of positive
    pointwise mutual information, and are weighted by the square roots of its singular values, as
    Levy, Goldberg & Dagan 2015 recommend.
    """
    # Count in how many texts each pair of tokens occurs; the result has the shape (tokens, tokens).
    size, width = weight.shape
    tokens = [token for text in texts for token in sorted(text)]
    starts = np.cumsum([0, *(len(text) for text in texts)])
    table = csr_array((np.ones(len(tokens)), tokens, starts), shape=(len(texts), size))
    joint = torch.from_numpy((table.T @ table).toarray()).float()

    # Divide by the counts that would be expected if tokens were independent; the logarithm of the
    # quotient, clipped at 0, is the positive pointwise mutual information.
    counts = joint.diagonal().clone()
    expected = (counts[:, None] * counts / len(texts)).clamp(min=1 / len(texts))
    information = (joint / expected).clamp(min=1).log()

    basis, values = eigenvectors(information, min(width, size))
    vectors = torch.zeros_like(weight)
    vectors[:, : len(basis)] = (basis * values.sqrt()[:, None]).T
    return normalize(vectors, dim=1), counts > 0


def eigenvectors(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Approximate the leading eigenvectors and the absolute values of their eigenvalues.

    The shapes are (count, size) and (count,). The method is orthogonal iteration (Golub & Van Loan
    2013, "Matrix Computations", section 8.2.4), which starts from random rows. After a few rounds,
    the rows approximate the eigenvectors with the largest absolute eigenvalues; only eigenvectors
    with similar absolute eigenvalues are still mixed with one another.
    """
    rows, _ = orthonormal(torch.randn(count, len(symmetric)))
    lengths = torch.ones(count)
    for _ in range(ROUNDS):
        rows, lengths = orthonormal(rows @ symmetric)
    return rows, lengths


def orthonormal(rows: Tensor) -> tuple[Tensor, Tensor]:
    """An orthonormal basis of `rows` by modified Gram-Schmidt, and the norm of each row's residual.

    If a row depends linearly on the rows before it, the row becomes zero.
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
