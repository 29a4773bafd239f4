import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.text.minhash import (
    MAX_MISS_RATE,
    MinHashIndex,
    NearDuplicates,
    bands,
    jaccard,
    shingles,
    signatures,
)

PARAMS = NearDuplicates(threshold=0.8, ngram_size=5, num_perm=128)


@given(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 0.95]))
def test_bands_miss_a_pair_at_the_threshold_rarely_enough(threshold: float) -> None:
    num_bands, rows = bands(threshold, 128)
    assert num_bands * rows <= 128
    assert (1 - threshold**rows) ** num_bands <= MAX_MISS_RATE or rows == 1


def test_short_texts_have_one_shingle() -> None:
    assert shingles("", 5) == {"  "}
    assert shingles("on", 5) == {" on "}
    assert jaccard(shingles("on", 5), shingles("on", 5)) == 1


def near_duplicate_pairs() -> tuple[list[str], list[tuple[int, int]]]:
    """Return texts, and all pairs of near-duplicates, found by comparing every pair of texts."""
    base = [
        f"the {noun} of this {kind} is {word} beyond anything that the critics had said about it"
        for noun in ("plot", "music", "acting", "camera work")
        for kind in ("film", "gripping documentary", "sequel")
        for word in ("weak", "moving", "utterly forgettable")
    ]
    texts = [*base, *(text + " so far" for text in base), *(text[:40] for text in base)]
    grams = [shingles(text, 5) for text in texts]
    pairs = [
        (first, second)
        for second in range(len(texts))
        for first in range(second)
        if jaccard(grams[first], grams[second]) >= PARAMS.threshold
    ]
    return texts, pairs


def test_the_index_finds_the_same_pairs_as_an_exhaustive_comparison() -> None:
    texts, pairs = near_duplicate_pairs()
    index = MinHashIndex(PARAMS)
    matches = []
    for i, (text, signature) in enumerate(zip(texts, signatures(texts, PARAMS), strict=True)):
        matches += [(int(key), i) for _, key in index.query(text, signature)]
        index.add(str(i), text, signature)
    assert len(pairs) > 30
    assert sorted(matches) == sorted(pairs)


def test_the_most_similar_text_comes_first() -> None:
    texts = ["a film of quiet power and grace", "a film of quiet power and grace!!"]
    index = MinHashIndex(PARAMS)
    for key, (text, signature) in enumerate(zip(texts, signatures(texts, PARAMS), strict=True)):
        index.add(str(key), text, signature)
    (signature,) = signatures(texts[:1], PARAMS)
    matches = index.query(texts[0], signature)
    assert [key for _, key in matches] == ["0", "1"]
    assert matches[0][0] == pytest.approx(1)
