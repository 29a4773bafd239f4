"""The stage `split` on real rows with planted leaks, checked by exhaustive comparison."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.errors import DataError, ParamsError, StageError
from tandem.core.paths import JUDGE, SPLITS
from tandem.core.rows import Dropped, Row, read_rows, write_rows
from tandem.core.task import BaseTask
from tandem.splitting.leaks import require_no_leak
from tandem.splitting.stratified_groups import assign
from tandem.stages import fetch, split
from tandem.tasks.generation import GenerationRow
from tandem.tasks.intent import IntentRow
from tandem.tasks.sentiment import SentimentRow
from tandem.text.leakage import split_key_of

ROOT = Path(__file__).parents[2]
TASKS = ["generation", "translation", "intent", "sentiment"]
Rows = dict[str, list[Row]]


def write_inputs(task: str, raw: Sequence[Row], clean: Sequence[Row] | None = None) -> None:
    for folder, rows in ((paths.raw(task), raw), (paths.clean(task), clean or raw)):
        folder.mkdir(parents=True)
        write_rows(folder / paths.ROWS, rows, tasks.load(task).row)


def read_outputs(task: str) -> tuple[Rows, dict[str, str], Any]:
    """Return the rows of each split, the reason for each dropped row by id, and the metrics."""
    folder, row = paths.split(task), tasks.load(task).row
    names = [name for name in (*SPLITS, JUDGE) if (folder / f"{name}.parquet").exists()]
    rows = {name: list(read_rows(folder / f"{name}.parquet", row)) for name in names}
    dropped = read_rows(folder / paths.DROPPED, Dropped)
    metric = io.read_details(paths.details("split", task))
    return rows, {item.id: item.reason for item in dropped}, metric


def split_params(task: str = "sentiment", **changes: Any) -> split.Params:
    content = params.read(ROOT / paths.PARAMS)[task]["split"] | changes
    return params.load(split.Params, task, "split", content={task: {"split": content}})


DEFAULT = split_params()


def grams(text: str) -> set[str]:
    """Return the 5-grams of the letters in lower case; implemented independently of tandem.text."""
    words = " ".join(re.sub(r"\{[^{}\s]*\}|[^a-z]", " ", text.lower()).split())
    return {f" {words} "[i : i + 5] for i in range(max(1, len(words) - 2))}


def assignment_of(
    rows: Sequence[Row], task: BaseTask, stage_params: split.Params
) -> dict[str, str]:
    return assign(rows, task, stage_params.ratios, stage_params.salt)


@pytest.mark.parametrize("task", TASKS)
def test_no_group_or_text_of_real_rows_is_in_two_splits(
    project: Path, real_rows: Rows, task: str
) -> None:
    write_inputs(task, real_rows[task])
    message = split.main(task)
    rows, dropped, metric = read_outputs(task)
    leaks = sum(not reason.startswith("reserved") for reason in dropped.values())
    assert message.startswith(f"rows: train {len(rows['train']):,}, validation ")
    assert f"; {leaks:,} leak" in message
    assert message.endswith(f" removed; written to data/split/{task}")
    ids = [{row.id for row in split_rows} for split_rows in rows.values()]
    assert sum(map(len, ids)) + len(dropped) == len(real_rows[task])
    assert set.union(*ids, set(dropped)) == {row.id for row in real_rows[task]}
    for a, b in itertools.combinations(rows, 2):
        assert not {row.group for row in rows[a]} & {row.group for row in rows[b]}
        texts = [{split_key_of(row, tasks.load(task)) for row in rows[name]} for name in (a, b)]
        assert not texts[0] & texts[1]
    crossing = {key: n for key, n in metric["proof"].items() if key.endswith("crossing")}
    assert crossing == {"groups_crossing": 0, "texts_crossing": 0, "near_duplicates_crossing": 0}
    assert metric["rows"] == {name: len(split_rows) for name, split_rows in rows.items()}
    assert metric["dropped"] == Counter(dropped.values())


def test_the_judge_has_ratings_that_no_other_split_has(project: Path, real_rows: Rows) -> None:
    write_inputs("sentiment", real_rows["sentiment"])
    split.main("sentiment")
    rows, _, _ = read_outputs("sentiment")
    all_ratings = {row.id: cast(SentimentRow, row).ratings for row in real_rows["sentiment"]}
    ratings_in = {
        name: [(r.id, cast(SentimentRow, r).ratings) for r in rows[name]] for name in rows
    }
    assert len(rows[JUDGE]) > 100
    assert all(ratings == all_ratings[row_id][::4] for row_id, ratings in ratings_in[JUDGE])
    for name in ("train", "validation"):
        for row_id, ratings in ratings_in[name]:
            assert ratings == tuple(r for i, r in enumerate(all_ratings[row_id]) if i % 4)
    assert all(ratings == all_ratings[row_id] for row_id, ratings in ratings_in["test"])


def test_the_verification_agrees_with_an_exhaustive_comparison(
    project: Path, real_rows: Rows
) -> None:
    write_inputs("generation", real_rows["generation"])
    split.main("generation")
    rows, _, metric = read_outputs("generation")
    test, train = ([grams(row.text) for row in rows[name]] for name in ("test", "train"))
    highest = max(len(a & b) / len(a | b) for a in test[::3] for b in train)
    # `grams` and `tandem.text` may treat accents and HTML entities differently.
    assert highest <= metric["proof"]["max_similarity"] + 0.05
    assert highest < split_params().near_duplicates.threshold


def test_a_test_text_of_one_task_is_in_train_of_no_other_task(project: Path) -> None:
    """Two tasks use the same source, and cleaning keeps different rows for each of them."""
    source = params.load(fetch.Params, "sentiment", "fetch").source
    records = [record for record in source.plugin.rows(source) if isinstance(record, dict)]
    records = [r for r in records if r["domain"] == "tweets"] + records[:1000]
    dropped_every = {"sentiment": 3, "generation": 5}
    for task, n in dropped_every.items():
        raw = [tasks.load(task).parse(record) for record in records]
        write_inputs(task, raw, [row for i, row in enumerate(raw) if i % n])
        split.main(task)
    rows = {task: read_outputs(task)[0] for task in dropped_every}
    for a, b in itertools.permutations(dropped_every):
        for name in ("validation", "test"):
            held_out, train = rows[a][name], rows[b]["train"]
            assert held_out and train
            assert not {row.id for row in held_out} & {row.id for row in train}
            assert not {split_key_of(row, tasks.load(a)) for row in held_out} & {
                split_key_of(row, tasks.load(b)) for row in train
            }
    # Repeated tweets would be in two splits if leaks were not removed.
    assert any(reason.startswith("same_text") for reason in read_outputs("generation")[1].values())


def test_tasks_with_the_same_source_have_the_same_params() -> None:
    content = params.read(ROOT / paths.PARAMS)
    hashes = {task: content[task]["fetch"]["source"]["sha256"] for task in TASKS}
    for a, b in itertools.combinations(TASKS, 2):
        if hashes[a] == hashes[b]:
            assert content[a]["split"] == content[b]["split"], (a, b)
    assert len(set(hashes.values())) < len(TASKS)


def test_each_stratum_has_the_ratios_in_all_splits(real_rows: Rows) -> None:
    task = tasks.load("sentiment")
    assignment = assignment_of(real_rows["sentiment"], task, split_params())
    strata = Counter(task.stratum(row) for row in real_rows["sentiment"])
    counts = Counter((task.stratum(row), assignment[row.group]) for row in real_rows["sentiment"])
    assert len(strata) == 12
    for stratum, count in strata.items():
        assert counts[stratum, "train"] / count == pytest.approx(0.8, abs=0.04)
        assert counts[stratum, "test"] / count == pytest.approx(0.1, abs=0.03)


def row(name: str, group: str, text: str = "", **fields: Any) -> GenerationRow:
    return GenerationRow(id=name, group=group, domain="movie", text=text or name, **fields)


@st.composite
def grouped_rows(draw: st.DrawFn) -> list[SentimentRow]:
    groups = draw(st.lists(st.integers(1, 30), min_size=1, max_size=40))
    labels = st.sampled_from(["negative", "neutral", "positive"])
    return [
        SentimentRow(id=f"{g}/{n}", group=str(g), domain="d", text="t", label=draw(labels))
        for g, size in enumerate(groups)
        for n in range(size)
    ]


@given(grouped_rows(), st.randoms(use_true_random=False))
def test_every_group_has_one_split_in_any_order_of_rows(
    rows: list[SentimentRow], random: Any
) -> None:
    task = tasks.load("sentiment")
    assignment = assignment_of(rows, task, DEFAULT)
    assert assignment.keys() == {row.group for row in rows}
    random.shuffle(rows)
    assert assignment_of(rows, task, DEFAULT) == assignment
    train_labels = {row.label for row in rows if assignment[row.group] == "train"}
    assert train_labels == {row.label for row in rows}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "test": 1, "validation": 1}),
        (40, {"train": 32, "test": 4, "validation": 4}),
    ],
)
def test_strata_with_few_groups_are_in_train_then_in_test(
    groups: int, expected: dict[str, int]
) -> None:
    rows = [row(f"{g}/{n}", str(g)) for g in range(groups) for n in range(4)]
    assignment = assignment_of(rows, tasks.load("generation"), split_params())
    assert Counter(assignment.values()) == expected


def test_a_group_too_large_for_a_small_split_goes_to_train() -> None:
    rows = [row(f"big/{n}", "big") for n in range(60)]
    rows += [row(f"{g}", str(g)) for g in range(40)]
    assignment = assignment_of(rows, tasks.load("generation"), split_params())
    assert assignment["big"] == "train"
    assert Counter(assignment.values())["test"] == 10


def test_another_salt_gives_another_split() -> None:
    rows = [row(str(g), str(g)) for g in range(100)]
    first, second = (
        assignment_of(rows, tasks.load("generation"), split_params(salt=s)) for s in "ab"
    )
    assert first != second
    assert Counter(first.values()) == Counter(second.values())


def test_rows_reserved_for_another_split_are_dropped(project: Path) -> None:
    words = ["attic", "garden", "cellar", "hall", "porch", "pantry", "study", "library", "loft"]
    rows = [
        IntentRow(
            id=f"{word}/{holdout}/{n}",
            group=word,
            domain="home",
            text=f"{word} {holdout} number {'i' * n}",
            label="HassTurnOn",
            holdout=holdout,
        )
        for word in words
        for holdout in SPLITS
        for n in range(1, 4)
    ]
    write_inputs("intent", rows)
    split.main("intent")
    splits, dropped, metric = read_outputs("intent")
    for name in SPLITS:
        assert {row.holdout for row in splits[name]} == {name}
    reserved = [reason for reason in dropped.values() if reason.startswith("reserved_for_")]
    assert len(reserved) == 2 * len(rows) / 3
    assert metric["leaks_removed"] == len(dropped) - len(reserved)


PLANTED = [
    ("That was FUN!!", "that was fun", "same_text_as"),
    ("Seen in 1995 by 10 of us, and loved", "Seen in 2001 by 7 of us and loved", "same_text_as"),
    (
        "A smart, witty follow up that nobody had really asked for but everyone will enjoy.",
        "A smart, witty follow up that nobody had really asked for but everybody will enjoy.",
        "near_duplicate_of",
    ),
]


@pytest.mark.parametrize(
    ("on_leak", "kept_in"), [("drop_train", "test"), ("drop_held_out", "train")]
)
def test_planted_leaks_are_dropped_from_the_split_in_params(
    project: Path, real_rows: Rows, on_leak: str, kept_in: str
) -> None:
    content = params.read(ROOT / paths.PARAMS)
    content["generation"]["split"]["on_leak"] = on_leak
    YAML().dump(content, Path(paths.PARAMS))
    base = real_rows["generation"][:400]
    assignment = assignment_of(base, tasks.load("generation"), split_params("generation"))
    hosts = {
        name: [row for row in base if assignment[row.group] == name] for name in ("train", "test")
    }
    texts = {}
    for i, (test_text, train_text, _) in enumerate(PLANTED):
        texts[hosts["test"][i].id], texts[hosts["train"][i].id] = test_text, train_text
    rows = [replace(row, text=texts.get(row.id, row.text)) for row in base]
    write_inputs("generation", rows)
    split.main("generation")
    _, dropped, metric = read_outputs("generation")
    dropped_from = "train" if kept_in == "test" else "test"
    for i, (_, _, reason) in enumerate(PLANTED):
        assert dropped[hosts[dropped_from][i].id] == f"{reason}_{kept_in}"
        assert hosts[kept_in][i].id not in dropped
    assert metric["leaks_removed"] == len(dropped) >= len(PLANTED)


@pytest.mark.parametrize("task", ["sentiment", "intent"])
def test_a_second_run_gives_the_same_bytes(project: Path, real_rows: Rows, task: str) -> None:
    write_inputs(task, real_rows[task])
    runs = []
    for _ in range(2):
        split.main(task)
        files = [*sorted(paths.split(task).iterdir()), paths.details("split", task)]
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_a_leak_stops_the_stage() -> None:
    counts = {"groups_crossing": 0, "near_duplicates_crossing": 2, "max_similarity": 0.9}
    with pytest.raises(DataError, match=r"near_duplicates_crossing: 2.*near_duplicates\.num_perm"):
        require_no_leak("sentiment", counts)


def test_an_empty_split_is_an_error(project: Path) -> None:
    write_inputs("generation", [row(str(n), "one document") for n in range(9)])
    with pytest.raises(DataError, match=r"no row is left for validation; raise generation\.split"):
        split.main("generation")
    assert not paths.split("generation").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": {"train": 0.8, "validation": 0.1, "test": 0.2}}, "must add up to 1"),
        ({"ratios": {"train": 0.9, "validation": 0.1, "test": 0.0}}, r"ratios\.test"),
        ({"on_leek": "drop_train"}, "Did you mean 'on_leak'"),
        ({"on_leak": "keep"}, r"on_leak.*drop_train"),
        ({"near_duplicates": {"threshold": 1.5, "ngram_size": 5, "num_perm": 128}}, "threshold"),
    ],
)
def test_an_error_in_params_is_reported_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        split_params(**changes)
    assert "\n" not in str(caught.value)


def test_a_missing_input_is_an_error(project: Path) -> None:
    with pytest.raises(StageError, match="missing"):
        split.main("sentiment")
