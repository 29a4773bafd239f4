"""First embeddings: tokens that occur in the same pairs of texts start out alike.

In a few hundred steps a network hardly learns which words belong together; counting tells at
once, across the languages too, for a pair is a document of both (Levy, Søgaard & Goldberg 2017,
"A Strong Baseline for Learning Cross-Lingual Word Embeddings from Sentence Alignments").
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from torch.nn.functional import normalize

ROUNDS = 3
"""Power iterations of the randomised decomposition (Halko, Martinsson & Tropp 2011)."""


def relate(weight: Tensor, texts: Sequence[set[int]]) -> None:
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
    left, values, _ = torch.svd_lowrank(information, q=min(width, size), niter=ROUNDS)
    found = torch.zeros_like(weight)
    found[:, : left.shape[1]] = left * values.sqrt()
    return normalize(found, dim=1), alone > 0
