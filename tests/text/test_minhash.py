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

LIKENESS = NearDuplicates(threshold=0.8, ngram_size=5, num_perm=128)


@given(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 0.95]))
def test_bands_miss_a_pair_at_the_threshold_rarely_enough(threshold: float) -> None:
    count, rows = bands(threshold, 128)
    assert count * rows <= 128
    assert (1 - threshold**rows) ** count <= MAX_MISS_RATE or rows == 1


def test_short_texts_have_a_shingle() -> None:
    assert shingles("", 5) == {"  "}
    assert shingles("on", 5) == {" on "}
    assert jaccard(shingles("on", 5), shingles("on", 5)) == 1


def planted() -> tuple[list[str], list[tuple[int, int]]]:
    """Texts, and every pair of them that a plain comparison of all with all finds near."""
    base = [
        f"the {noun} of this {kind} is {word} beyond anything that the critics had said about it"
        for noun in ("plot", "music", "acting", "camera work")
        for kind in ("film", "gripping documentary", "sequel")
        for word in ("weak", "moving", "utterly forgettable")
    ]
    texts = [*base, *(text + " so far" for text in base), *(text[:40] for text in base)]
    grams = [shingles(text, 5) for text in texts]
    pairs = [
        (one, other)
        for other in range(len(texts))
        for one in range(other)
        if jaccard(grams[one], grams[other]) >= LIKENESS.threshold
    ]
    return texts, pairs


def test_the_index_finds_all_pairs_that_a_plain_search_finds_and_no_other() -> None:
    texts, pairs = planted()
    index = MinHashIndex(LIKENESS)
    found = []
    for at, (text, sketch) in enumerate(zip(texts, signatures(texts, LIKENESS), strict=True)):
        found += [(int(key), at) for _, key in index.near(text, sketch)]
        index.add(str(at), text, sketch)
    assert len(pairs) > 30
    assert sorted(found) == sorted(pairs)


def test_the_most_similar_comes_first() -> None:
    texts = ["a film of quiet power and grace", "a film of quiet power and grace!!"]
    index = MinHashIndex(LIKENESS)
    for key, (text, sketch) in enumerate(zip(texts, signatures(texts, LIKENESS), strict=True)):
        index.add(str(key), text, sketch)
    (sketch,) = signatures(texts[:1], LIKENESS)
    near = index.near(texts[0], sketch)
    assert [key for _, key in near] == ["0", "1"]
    assert near[0][0] == pytest.approx(1)
