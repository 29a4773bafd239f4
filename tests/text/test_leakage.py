"""`find_leaks` (precision and recall on planted leaks and lookalikes) and `verify_no_leaks`."""

import pytest

from tandem.core.rows import Row
from tandem.tasks.generation import GenerationRow, Task
from tandem.text.leakage import find_leaks, split_key_of, verify_no_leaks
from tandem.text.minhash import NearDuplicates

PARAMS = NearDuplicates(threshold=0.8, ngram_size=5, num_perm=128)
TASK = Task()


def row(name: str, text: str, group: str | None = None) -> GenerationRow:
    return GenerationRow(id=name, group=group or name, domain="movie", text=text)


# A test text, a training text, and whether the training text is a leak.
PLANTED = [
    ("Effective but too tepid biopic", "effective but too tepid biopic!!!", True),
    ("A film of quiet power.", "A film of quiet power", True),
    ("Rated 9 of 10 by the whole family", "Rated 7 of 10, by the whole family.", True),
    (
        "A smart, witty follow up that nobody had really asked for but everyone will enjoy.",
        "A smart, witty follow up that nobody had really asked for but everybody will enjoy.",
        True,
    ),
    ("R&amp;B at its very best", "R&B at its very best", True),
    ("Go see it and enjoy.", "Go see it and suffer.", False),
    ("Do not see this film.", "Do see this other film.", False),
    ("It is quite a vision.", "What a vision it is!", False),
    ("A complete waste of time.", "A complete waste of money and talent.", False),
    ("All mood and no movie.", "All movie and no mood at all.", False),
]


def test_precision_and_recall_on_planted_leaks() -> None:
    test = [(f"test/{i}", split_key_of(row("x", a), TASK)) for i, (a, _, _) in enumerate(PLANTED)]
    train = [(f"train/{i}", split_key_of(row("x", b), TASK)) for i, (_, b, _) in enumerate(PLANTED)]
    leaks = find_leaks({"test": test, "train": train}, PARAMS)
    expected = {f"train/{i}" for i, (_, _, is_leak) in enumerate(PLANTED) if is_leak}
    recall = len(leaks.keys() & expected) / len(expected)
    precision = len(leaks.keys() & expected) / len(leaks)
    print(f"recall {recall:.2f}, precision {precision:.2f}")
    assert (recall, precision) == (1, 1)
    assert leaks["train/0"] == ("same", "test")
    assert leaks["train/3"] == ("near", "test")


def test_a_dropped_row_is_not_compared_with_later_splits() -> None:
    """A validation row that is dropped as a leak does not cause a training row to be dropped."""
    keys = {
        "test": [("t", "one two three four five six seven eight nine ten")],
        "validation": [("v", "one two three four five six seven eight nine tenth")],
        "train": [("a", "six seven eight nine tenth"), ("b", "quite another text")],
    }
    assert find_leaks(keys, PARAMS) == {"v": ("near", "test")}


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("groups_crossing", row("a", "A gem.", "doc"), row("b", "Boy oh boy.", "doc")),
        ("texts_crossing", row("a", "A gem."), row("b", "a GEM!")),
        ("near_duplicates_crossing", row("a", PLANTED[3][0]), row("b", PLANTED[3][1])),
    ],
)
def test_verification_counts_what_is_in_two_splits(name: str, train: Row, test: Row) -> None:
    splits: dict[str, list[Row]] = {
        "train": [train],
        "validation": [row("c", "Not so.")],
        "test": [test],
    }
    assert verify_no_leaks(splits, TASK, PARAMS)[name] == 1
    counts = verify_no_leaks(splits | {"train": [row("z", "All else.")]}, TASK, PARAMS)
    assert {value for key, value in counts.items() if key.endswith("crossing")} == {0}
    assert counts["max_similarity"] < 0.8
