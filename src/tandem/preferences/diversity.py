"""Variety of texts, to see a generator that wins by repeating itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TOGETHER = 16
"""Texts whose n-grams are counted together. Distinct-n falls with the amount of text, so it is
compared on equal amounts, and each such block is one draw for the interval."""


def distinct_ngrams(texts: Sequence[str], n: int) -> NDArray[np.float64]:
    """(blocks, 2): different n-grams of lower-case words, and all of them, in each block.

    Their ratio is distinct-n (Li et al., A Diversity-Promoting Objective Function for Neural
    Conversation Models, NAACL 2016). A last block that is not full is left out, unless it is all.
    """
    whole = max(len(texts) - len(texts) % TOGETHER, 1)
    blocks = [texts[at : at + TOGETHER] for at in range(0, min(whole, len(texts)), TOGETHER)]
    counts = []
    for block in blocks:
        grams = [gram for text in block for gram in _grams(text.lower().split(), n)]
        counts.append([len(set(grams)), len(grams)])
    return np.array(counts, dtype=float).reshape(-1, 2)


def _grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(words[at:] for at in range(n)), strict=False))
