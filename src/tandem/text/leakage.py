"""Find exact and near-duplicate texts across splits, and verify that none are left.

The stage `split` finds leaks with `find_leaks`, which is fast because it uses MinHash. Before the
stage writes its outputs, it checks them with `verify_no_leaks`, which counts the shared n-grams of
every pair of texts from different splits. This check does not use MinHash; the only code that it
shares with `find_leaks` is `split_key_of`.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from tandem.core.progress import track
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.minhash import MinHashIndex, NearDuplicates, signatures
from tandem.text.normalize import split_key
from tandem.text.protected import protected

BLOCK = 256  # texts per block; a block has up to ten million similarities to 40,000 texts


def split_key_of(row: Row, task: BaseTask) -> str:
    """Return the key by which texts of different splits are compared: the words of the text.

    Placeholders and spans are left out: a sentence from the training rows does not become new just
    because, for example, it contains the name of another room.
    """
    return split_key(row.text, protected(row, task))


def find_leaks(
    keys: Mapping[str, Sequence[tuple[str, str]]], params: NearDuplicates
) -> dict[str, tuple[str, str]]:
    """Find rows that are the same as, or near-duplicates of, a row kept in an earlier split.

    Args:
        keys: Split → (row id, key) of its rows; a row may have several keys. If two splits
            contain the same or a similar text, the row in the earlier split is kept, and the row in
            the later split is a leak.
        params: Criteria for near-duplicates.

    Returns:
        Row id → (`same` or `near`, the split of the kept row).
    """
    leaks: dict[str, tuple[str, str]] = {}
    index, split_of = MinHashIndex(params), dict[str, str]()
    for split, pairs in keys.items():
        kept: dict[str, object] = {}
        pair_signatures = signatures((key for _, key in pairs), params)
        tracked = track(pairs, f"find leaks in {split}", unit="texts")
        for (row_id, key), signature in zip(tracked, pair_signatures, strict=True):
            if key in split_of:
                leaks[row_id] = ("same", split_of[key])
            elif near := index.query(key, signature):
                leaks.setdefault(row_id, ("near", split_of[near[0][1]]))
            else:
                kept[key] = signature
        # Add the keys of a split only after searching it, because rows of one split may be alike.
        for key, signature in kept.items():
            split_of[key] = split
            index.add(key, key, signature)
    return leaks


def verify_no_leaks(
    splits: Mapping[str, Sequence[Row]], task: BaseTask, params: NearDuplicates
) -> dict[str, Any]:
    """Count groups and texts shared by several splits, and near-duplicate pairs across splits.

    The three counts, whose names end with `_crossing`, are 0 if nothing leaks. `max_similarity`
    is the highest Jaccard similarity of any two texts from different splits, computed exactly over
    all pairs.
    """
    keys = {
        split: sorted({split_key_of(row, task) for row in rows}) for split, rows in splits.items()
    }
    column_of: dict[str, int] = {}
    grams = {split: _matrix(texts, params.ngram_size, column_of) for split, texts in keys.items()}
    pairs = [_compare(grams[a], grams[b], params.threshold) for a, b in combinations(splits, 2)]
    return {
        "groups_crossing": _crossing((row.group for row in rows) for rows in splits.values()),
        "texts_crossing": _crossing(keys.values()),
        "near_duplicates_crossing": sum(count for count, _ in pairs),
        "max_similarity": round(max(highest for _, highest in pairs), 6),
        "threshold": params.threshold,
    }


def _crossing(collections: Iterable[Iterable[Hashable]]) -> int:
    """Count the values that are in two or more of the collections."""
    holders: dict[Hashable, set[int]] = defaultdict(set)
    for index, collection in enumerate(collections):
        for value in collection:
            holders[value].add(index)
    return sum(len(indices) > 1 for indices in holders.values())


def _matrix(texts: Sequence[str], size: int, column_of: dict[str, int]) -> Any:
    """Return a sparse matrix (texts, n-grams) with a 1 where a text contains an n-gram.

    N-grams that are not in `column_of` yet are added to it.
    """
    import numpy as np
    from scipy.sparse import csr_array

    columns: list[int] = []
    ends = [0]
    for text in texts:
        padded = f" {text} ".ljust(size)
        grams = dict.fromkeys(padded[i : i + size] for i in range(len(padded) - size + 1))
        columns += (column_of.setdefault(gram, len(column_of)) for gram in grams)
        ends.append(len(columns))
    ones = np.ones(len(columns), dtype=np.int32)
    return csr_array((ones, np.array(columns, np.int32), np.array(ends, np.int32)))


def _compare(a: Any, b: Any, threshold: float) -> tuple[int, float]:
    """Compare each text (row) of matrix `a` with each text of `b`.

    Returns:
        The number of pairs with a Jaccard similarity of at least `threshold`, and the maximum
        similarity.
    """
    import numpy as np

    # A matrix created later may have more columns, because its texts added n-grams to `column_of`.
    width = max(a.shape[1], b.shape[1])
    a, b = (m.__class__((m.data, m.indices, m.indptr), (m.shape[0], width)) for m in (a, b))
    sizes, columns = b.sum(axis=1), b.T.tocsr()
    count, highest = 0, 0.0
    for start in track(range(0, a.shape[0], BLOCK), "check leaks", unit="blocks"):
        block = a[start : start + BLOCK]
        shared = (block @ columns).tocoo()
        union = block.sum(axis=1)[shared.row] + sizes[shared.col] - shared.data
        similarity = shared.data / union
        count += int(np.count_nonzero(similarity >= threshold))
        highest = max(highest, float(similarity.max(initial=0)))
    return count, highest
