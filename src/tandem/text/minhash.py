"""Near-duplicates: MinHash and LSH find candidates, the true Jaccard similarity decides.

Texts are compared as sets of character n-grams (Broder 1997, "On the resemblance and containment
of documents"; Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, chapter 3).
"""

from collections.abc import Iterable, Iterator

from pydantic import Field

from tandem.core.schema import StrictModel

MAX_MISS_RATE = 1e-6  # a pair at the threshold may be missed with this probability, at most
SEED = 13  # of the MinHash: another finds other candidates, of which the same are near


class NearDuplicates(StrictModel):
    """When two texts are near-duplicates."""

    threshold: float = Field(
        default=0.8, gt=0, lt=1, description="smallest Jaccard similarity of near-duplicates"
    )
    ngram_size: int = Field(default=5, ge=1, description="characters per n-gram")
    num_perm: int = Field(default=128, ge=16, description="MinHash values per text")


def shingles(form: str, size: int) -> set[str]:
    """The n-grams of `size` characters, ends marked by spaces; a shorter text is its own.

    >>> sorted(shingles("on", 3))
    [' on', 'on ']
    """
    padded = f" {form} "
    return {padded[at : at + size] for at in range(max(1, len(padded) - size + 1))}


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared n-grams by all n-grams of both, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def bands(threshold: float, permutations: int, miss: float = MAX_MISS_RATE) -> tuple[int, int]:
    """LSH bands and rows a band: the longest bands that miss a pair at `threshold` rarely enough.

    A pair of similarity s is missed with probability (1 - s**rows)**bands.

    >>> bands(0.8, 128)
    (32, 4)
    """
    fit = [
        (permutations // rows, rows)
        for rows in range(1, permutations + 1)
        if (1 - threshold**rows) ** (permutations // rows) <= miss
    ]
    return fit[-1] if fit else (permutations, 1)


class MinHashIndex:
    """Texts added so far, by key, and which of them a further text is near to."""

    def __init__(self, likeness: NearDuplicates) -> None:
        from rensa import RMinHashLSH

        self.likeness = likeness
        self.added: list[tuple[str, str]] = []
        count, rows = bands(likeness.threshold, likeness.num_perm)
        self.lsh = RMinHashLSH(likeness.threshold, num_perm=count * rows, num_bands=count)

    def near(self, form: str, sketch: object) -> list[tuple[float, str]]:
        """Similarity and key of each added text at or above the threshold, most similar first."""
        own = shingles(form, self.likeness.ngram_size)
        candidates = (self.added[place] for place in self.lsh.query(sketch))
        close = (
            (jaccard(own, shingles(other, self.likeness.ngram_size)), key)
            for key, other in candidates
        )
        return sorted(
            (pair for pair in close if pair[0] >= self.likeness.threshold),
            key=lambda pair: (-pair[0], pair[1]),
        )

    def add(self, key: str, form: str, sketch: object) -> None:
        """Let later texts be compared with this one; keys are unique."""
        self.lsh.insert(len(self.added), sketch)
        self.added.append((key, form))


def signatures(forms: Iterable[str], likeness: NearDuplicates) -> Iterator[object]:
    """The MinHash of each form, in order."""
    from rensa import RMinHash

    count, rows = bands(likeness.threshold, likeness.num_perm)
    for form in forms:
        sketch = RMinHash(num_perm=count * rows, seed=SEED)
        sketch.update(list(shingles(form, likeness.ngram_size)))
        yield sketch
