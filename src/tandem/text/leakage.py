"""Find texts that are in two splits, or nearly, and prove that none is left.

`leaks` is how the split stage finds them: fast, by MinHash. `proof` is how it checks what it is
about to write: by counting the shared n-grams of every pair across splits, with no hashing and
none of the code above it but the definition of a text's normal form.
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

BLOCK = 256  # rows compared with all others at a time: some ten million numbers


def split_key_of(row: Row, task: BaseTask) -> str:
    """The words that a row must not share with another split's: the model's input, letters only.

    Placeholders and spans are left out: a sentence known from training stays known when only the
    name of the room in it is new.
    """
    return split_key(row.text, protected(row, task))


def find_leaks(
    forms: Mapping[str, Sequence[tuple[str, str]]], likeness: NearDuplicates
) -> dict[str, tuple[str, str]]:
    """Rows near to a row that stays in an earlier split: id to (`same` or `near`, that split).

    `forms` gives each split's (id, form); its splits stand in order of who stays. A row may have
    several forms.
    """
    found: dict[str, tuple[str, str]] = {}
    index, owner = MinHashIndex(likeness), dict[str, str]()
    for split, pairs in forms.items():
        staying: dict[str, object] = {}
        sketched = signatures((text for _, text in pairs), likeness)
        for (key, text), sketch in zip(
            track(pairs, f"find leaks of {split}", unit="texts"), sketched, strict=True
        ):
            if text in owner:
                found[key] = ("same", owner[text])
            elif near := index.near(text, sketch):
                found.setdefault(key, ("near", owner[near[0][1]]))
            else:
                staying[text] = sketch
        for text, sketch in staying.items():
            owner[text] = split
            index.add(text, text, sketch)
    return found


def verify_no_leaks(
    splits: Mapping[str, Sequence[Row]], task: BaseTask, likeness: NearDuplicates
) -> dict[str, Any]:
    """Figures of what crosses `splits`; the first three must be 0.

    `max_similarity` is the highest Jaccard similarity of any two texts in two splits, by exact
    count over all of them.
    """
    forms = {
        split: sorted({split_key_of(row, task) for row in rows}) for split, rows in splits.items()
    }
    numbers: dict[str, int] = {}
    grams = {split: _matrix(texts, likeness.ngram_size, numbers) for split, texts in forms.items()}
    tops = [_similar(grams[a], grams[b], likeness.threshold) for a, b in combinations(splits, 2)]
    return {
        "groups_crossing": _crossing((row.group for row in rows) for rows in splits.values()),
        "texts_crossing": _crossing(forms.values()),
        "near_duplicates_crossing": sum(count for count, _ in tops),
        "max_similarity": round(max(top for _, top in tops), 6),
        "threshold": likeness.threshold,
    }


def _crossing(values: Iterable[Iterable[Hashable]]) -> int:
    """How many values stand in two or more of the collections."""
    places: dict[Hashable, set[int]] = defaultdict(set)
    for place, collection in enumerate(values):
        for value in collection:
            places[value].add(place)
    return sum(len(found) > 1 for found in places.values())


def _matrix(texts: Sequence[str], size: int, numbers: dict[str, int]) -> Any:
    """A sparse matrix (texts, n-grams), 1 where the text has the n-gram; `numbers` is filled."""
    import numpy as np
    from scipy.sparse import csr_array

    columns: list[int] = []
    ends = [0]
    for text in texts:
        padded = f" {text} ".ljust(size)
        grams = dict.fromkeys(padded[at : at + size] for at in range(len(padded) - size + 1))
        columns += (numbers.setdefault(gram, len(numbers)) for gram in grams)
        ends.append(len(columns))
    ones = np.ones(len(columns), dtype=np.int32)
    return csr_array((ones, np.array(columns, np.int32), np.array(ends, np.int32)))


def _similar(one: Any, other: Any, threshold: float) -> tuple[int, float]:
    """How many pairs of rows reach `threshold`, and the highest similarity of any pair."""
    import numpy as np

    width = max(one.shape[1], other.shape[1])
    one, other = (
        m.__class__((m.data, m.indices, m.indptr), (m.shape[0], width)) for m in (one, other)
    )
    sizes, columns = other.sum(axis=1), other.T.tocsr()
    count, top = 0, 0.0
    for start in track(range(0, one.shape[0], BLOCK), "check leaks", unit="blocks"):
        block = one[start : start + BLOCK]
        shared = (block @ columns).tocoo()
        union = block.sum(axis=1)[shared.row] + sizes[shared.col] - shared.data
        similarity = shared.data / union
        count += int(np.count_nonzero(similarity >= threshold))
        top = max(top, float(similarity.max(initial=0)))
    return count, top
