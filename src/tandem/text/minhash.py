"""Find near-duplicate texts with MinHash LSH, and verify them by exact Jaccard similarity.

Texts are compared as sets of character n-grams (Broder 1997, "On the resemblance and containment
of documents"; Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, chapter 3).
"""

from collections.abc import Iterable, Iterator

from pydantic import Field

from tandem.core.schema import StrictModel

MAX_MISS_RATE = 1e-6  # maximum probability of missing a pair whose similarity is the threshold
SEED = 13  # for MinHash; a different seed changes the candidates, not the near-duplicates


class NearDuplicates(StrictModel):
    """Defines when two texts are near-duplicates."""

    threshold: float = Field(default=0.8, gt=0, lt=1)
    """Minimum Jaccard similarity of near-duplicates."""
    ngram_size: int = Field(default=5, ge=1)
    """Number of characters per n-gram."""
    num_perm: int = Field(default=128, ge=16)
    """Number of MinHash values per text."""


def shingles(text: str, size: int) -> set[str]:
    """Return the n-grams of `size` characters, after adding a space at both ends of the text.

    If the text, including these spaces, is shorter than `size`, the whole text is the only n-gram.

    >>> sorted(shingles("on", 3))
    [' on', 'on ']
    """
    padded = f" {text} "
    return {padded[i : i + size] for i in range(max(1, len(padded) - size + 1))}


def jaccard(a: set[str], b: set[str]) -> float:
    """Return the Jaccard similarity: the size of the intersection divided by that of the union."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def bands(threshold: float, num_perm: int, max_miss_rate: float = MAX_MISS_RATE) -> tuple[int, int]:
    """Return the number of LSH bands, and the largest possible number of rows per band.

    A pair with similarity s is missed with probability (1 - s**rows)**bands; for s = `threshold`,
    this probability must not exceed `max_miss_rate`.

    >>> bands(0.8, 128)
    (32, 4)
    """
    options = [
        (num_perm // rows, rows)
        for rows in range(1, num_perm + 1)
        if (1 - threshold**rows) ** (num_perm // rows) <= max_miss_rate
    ]
    return options[-1] if options else (num_perm, 1)


class MinHashIndex:
    """An index of texts that finds the near-duplicates of a given text."""

    def __init__(self, params: NearDuplicates) -> None:
        from rensa import RMinHashLSH

        self.params = params
        self.added: list[tuple[str, str]] = []
        """Pairs of key and text, in the order in which they were added."""
        num_bands, rows = bands(params.threshold, params.num_perm)
        self.lsh = RMinHashLSH(params.threshold, num_perm=num_bands * rows, num_bands=num_bands)

    def query(self, text: str, signature: object) -> list[tuple[float, str]]:
        """Return the similarity and key of each near-duplicate of `text`, most similar first."""
        grams = shingles(text, self.params.ngram_size)
        candidates = (self.added[index] for index in self.lsh.query(signature))
        similar = (
            (jaccard(grams, shingles(candidate, self.params.ngram_size)), key)
            for key, candidate in candidates
        )
        return sorted(
            (pair for pair in similar if pair[0] >= self.params.threshold),
            key=lambda pair: (-pair[0], pair[1]),
        )

    def add(self, key: str, text: str, signature: object) -> None:
        """Add a text under a key that the index does not contain yet."""
        self.lsh.insert(len(self.added), signature)
        self.added.append((key, text))


def signatures(texts: Iterable[str], params: NearDuplicates) -> Iterator[object]:
    """Yield the MinHash signature of each text, in order."""
    from rensa import RMinHash

    num_bands, rows = bands(params.threshold, params.num_perm)
    for text in texts:
        signature = RMinHash(num_perm=num_bands * rows, seed=SEED)
        signature.update(list(shingles(text, params.ngram_size)))
        yield signature
