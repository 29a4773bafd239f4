"""Measure the diversity of texts, which is low if a generator repeats itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK_TEXTS = 16
"""Number of texts whose n-grams are counted together. Distinct-n decreases with the amount of text,
so only equal numbers of texts are compared; each block is one unit of the bootstrap."""


def distinct_ngrams(texts: Sequence[str], n: int) -> NDArray[np.float64]:
    """Count the distinct n-grams, and all n-grams, of lowercased words in each block of texts.

    The result has the shape (blocks, 2). The ratio of the two counts is distinct-n (Li et al., A
    Diversity-Promoting Objective Function for Neural Conversation Models, NAACL 2016). An
    incomplete last block is left out, unless it is the only one.
    """
    complete = max(len(texts) - len(texts) % BLOCK_TEXTS, 1)
    starts = range(0, min(complete, len(texts)), BLOCK_TEXTS)
    counts = []
    for start in starts:
        block = texts[start : start + BLOCK_TEXTS]
        ngrams = [ngram for text in block for ngram in _ngrams(text.lower().split(), n)]
        counts.append([len(set(ngrams)), len(ngrams)])
    return np.array(counts, dtype=float).reshape(-1, 2)


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(n)), strict=False))
