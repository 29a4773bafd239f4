"""The split stage on real rows, with planted leaks, checked again by plain comparison."""

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


def put(task: str, raw: Sequence[Row], clean: Sequence[Row] | None = None) -> None:
    for folder, rows in ((paths.raw(task), raw), (paths.clean(task), clean or raw)):
        folder.mkdir(parents=True)
        write_rows(folder / paths.ROWS, rows, tasks.load(task).row)


def got(task: str) -> tuple[Rows, dict[str, str], Any]:
    """Each part's rows, dropped rows' reasons by id, and the metric."""
    folder, row = paths.split(task), tasks.load(task).row
    parts = [name for name in (*SPLITS, JUDGE) if (folder / f"{name}.parquet").exists()]
    rows = {name: list(read_rows(folder / f"{name}.parquet", row)) for name in parts}
    dropped = read_rows(folder / paths.DROPPED, Dropped)
    metric = io.read_json(paths.metrics("split", task))
    return rows, {item.id: item.reason for item in dropped}, metric


def settings(task: str = "sentiment", **changes: Any) -> split.Params:
    content = params.read(ROOT / paths.PARAMS)[task]["split"] | changes
    return params.load(split.Params, task, "split", content={task: {"split": content}})


DEFAULT = settings()


def grams(text: str) -> set[str]:
    """Five characters each, of the lower-case letters alone; written again, on purpose."""
    words = " ".join(re.sub(r"\{[^{}\s]*\}|[^a-z]", " ", text.lower()).split())
    return {f" {words} "[at : at + 5] for at in range(max(1, len(words) - 2))}


def assigned(rows: Sequence[Row], task: BaseTask, chosen: split.Params) -> dict[str, str]:
    return assign(rows, task, chosen.ratios, chosen.salt)


@pytest.mark.parametrize("task", TASKS)
def test_nothing_crosses_the_splits_of_real_rows(project: Path, real: Rows, task: str) -> None:
    put(task, real[task])
    message = split.main(task)
    rows, dropped, metric = got(task)
    leaks = sum(not reason.startswith("reserved") for reason in dropped.values())
    assert message.startswith(f"rows: train {len(rows['train']):,}, validation ")
    assert f"; {leaks:,} leak" in message and message.endswith(
        f" removed; written to data/split/{task}"
    )
    names = [{row.id for row in part} for part in rows.values()]
    assert sum(map(len, names)) + len(dropped) == len(real[task])
    assert set.union(*names, set(dropped)) == {row.id for row in real[task]}
    for one, other in itertools.combinations(rows, 2):
        assert not {row.group for row in rows[one]} & {row.group for row in rows[other]}
        texts = [
            {split_key_of(row, tasks.load(task)) for row in rows[name]} for name in (one, other)
        ]
        assert not texts[0] & texts[1]
    crossing = {key: n for key, n in metric["proof"].items() if key.endswith("crossing")}
    assert crossing == {"groups_crossing": 0, "texts_crossing": 0, "near_duplicates_crossing": 0}
    assert metric["rows"] == {name: len(part) for name, part in rows.items()}
    assert metric["dropped"] == Counter(dropped.values())


def test_the_judge_has_ratings_that_no_other_part_knows(project: Path, real: Rows) -> None:
    put("sentiment", real["sentiment"])
    split.main("sentiment")
    rows, _, _ = got("sentiment")
    whole = {row.id: cast(SentimentRow, row).ratings for row in real["sentiment"]}
    known = {part: [(r.id, cast(SentimentRow, r).ratings) for r in rows[part]] for part in rows}
    assert len(rows[JUDGE]) > 100
    assert all(ratings == whole[name][::4] for name, ratings in known[JUDGE])
    for part in ("train", "validation"):
        kept = [tuple(r for at, r in enumerate(whole[n]) if at % 4) for n, _ in known[part]]
        assert kept == [ratings for _, ratings in known[part]]
    assert all(ratings == whole[name] for name, ratings in known["test"])


def test_the_proof_agrees_with_a_plain_comparison(project: Path, real: Rows) -> None:
    put("generation", real["generation"])
    split.main("generation")
    rows, _, metric = got("generation")
    held, train = ([grams(row.text) for row in rows[name]] for name in ("test", "train"))
    top = max(len(one & other) / len(one | other) for one in held[::3] for other in train)
    assert top <= metric["proof"]["max_similarity"] + 0.05  # accents and entities apart
    assert top < settings().near_duplicates.threshold


def test_a_text_that_is_test_for_one_task_is_train_for_none(project: Path) -> None:
    """One source, two tasks with rows of their own and other rows left by cleaning."""
    source = params.load(fetch.Params, "sentiment", "fetch").source
    found = [record for record in source.plugin.rows(source) if isinstance(record, dict)]
    found = [r for r in found if r["domain"] == "tweets"] + found[:1000]
    both = {"sentiment": 3, "generation": 5}
    for task, every in both.items():
        raw = [tasks.load(task).parse(record) for record in found]
        put(task, raw, [row for at, row in enumerate(raw) if at % every])
        split.main(task)
    rows = {task: got(task)[0] for task in both}
    for one, other in itertools.permutations(both):
        for held in ("validation", "test"):
            mine, theirs = rows[one][held], rows[other]["train"]
            assert mine and theirs
            assert not {row.id for row in mine} & {row.id for row in theirs}
            assert not {split_key_of(row, tasks.load(one)) for row in mine} & {
                split_key_of(row, tasks.load(other)) for row in theirs
            }
    # It is the removal of leaks that does it: without, doubled tweets would cross.
    assert any(reason.startswith("same_text") for reason in got("generation")[1].values())


def test_tasks_of_one_source_have_the_same_params() -> None:
    content = params.read(ROOT / paths.PARAMS)
    pinned = {task: content[task]["fetch"]["source"]["sha256"] for task in TASKS}
    for one, other in itertools.combinations(TASKS, 2):
        if pinned[one] == pinned[other]:
            assert content[one]["split"] == content[other]["split"], (one, other)
    assert len(set(pinned.values())) < len(TASKS)


def test_each_stratum_keeps_its_share(real: Rows) -> None:
    task = tasks.load("sentiment")
    place = assigned(real["sentiment"], task, settings())
    strata = Counter(task.stratum(row) for row in real["sentiment"])
    shares = Counter((task.stratum(row), place[row.group]) for row in real["sentiment"])
    assert len(strata) == 12
    for stratum, count in strata.items():
        assert shares[stratum, "train"] / count == pytest.approx(0.8, abs=0.04)
        assert shares[stratum, "test"] / count == pytest.approx(0.1, abs=0.03)


def row(name: str, group: str, text: str = "", **other: Any) -> GenerationRow:
    return GenerationRow(id=name, group=group, domain="movie", text=text or name, **other)


@st.composite
def grouped(draw: st.DrawFn) -> list[SentimentRow]:
    groups = draw(st.lists(st.integers(1, 30), min_size=1, max_size=40))
    labels = st.sampled_from(["negative", "neutral", "positive"])
    return [
        SentimentRow(id=f"{g}/{n}", group=str(g), domain="d", text="t", label=draw(labels))
        for g, size in enumerate(groups)
        for n in range(size)
    ]


@given(grouped(), st.randoms(use_true_random=False))
def test_every_group_has_one_split_whatever_the_order_of_rows(
    rows: list[SentimentRow], random: Any
) -> None:
    task = tasks.load("sentiment")
    place = assigned(rows, task, DEFAULT)
    assert place.keys() == {row.group for row in rows}
    random.shuffle(rows)
    assert assigned(rows, task, DEFAULT) == place
    trained = {row.label for row in rows if place[row.group] == "train"}
    assert trained == {row.label for row in rows}


@pytest.mark.parametrize(
    ("groups", "places"),
    [
        (1, {"train": 1}),
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "test": 1, "validation": 1}),
        (40, {"train": 32, "test": 4, "validation": 4}),
    ],
)
def test_strata_of_few_groups_are_seated_train_first_then_test(
    groups: int, places: dict[str, int]
) -> None:
    rows = [row(f"{g}/{n}", str(g)) for g in range(groups) for n in range(4)]
    place = assigned(rows, tasks.load("generation"), settings())
    assert Counter(place.values()) == places


def test_a_group_too_large_for_a_small_split_goes_to_train() -> None:
    rows = [row(f"big/{n}", "big") for n in range(60)]
    rows += [row(f"{g}", str(g)) for g in range(40)]
    place = assigned(rows, tasks.load("generation"), settings())
    assert place["big"] == "train"
    assert Counter(place.values())["test"] == 10


def test_another_salt_gives_another_split() -> None:
    rows = [row(str(g), str(g)) for g in range(100)]
    one, other = (assigned(rows, tasks.load("generation"), settings(salt=s)) for s in "ab")
    assert one != other
    assert Counter(one.values()) == Counter(other.values())


def test_rows_reserved_for_another_split_are_dropped(project: Path) -> None:
    words = ["attic", "garden", "cellar", "hall", "porch", "pantry", "study", "library", "loft"]
    rows = [
        IntentRow(
            id=f"{word}/{held}/{n}",
            group=word,
            domain="home",
            text=f"{word} {held} number {'i' * n}",
            label="HassTurnOn",
            holdout=held,
        )
        for word in words
        for held in SPLITS
        for n in range(1, 4)
    ]
    put("intent", rows)
    split.main("intent")
    splits, dropped, metric = got("intent")
    for name in SPLITS:
        assert {row.holdout for row in splits[name]} == {name}
    reserved = [reason for reason in dropped.values() if reason.startswith("reserved_for_")]
    assert len(reserved) == 2 * len(rows) / 3
    assert metric["leaks_removed"] == len(dropped) - len(reserved)


TWINS = [
    ("That was FUN!!", "that was fun", "same_text_as"),
    ("Seen in 1995 by 10 of us, and loved", "Seen in 2001 by 7 of us and loved", "same_text_as"),
    (
        "A smart, witty follow up that nobody had really asked for but everyone will enjoy.",
        "A smart, witty follow up that nobody had really asked for but everybody will enjoy.",
        "near_duplicate_of",
    ),
]


@pytest.mark.parametrize(("on_leak", "stays"), [("drop_train", "test"), ("drop_held_out", "train")])
def test_planted_leaks_go_from_the_side_that_params_name(
    project: Path, real: Rows, on_leak: str, stays: str
) -> None:
    content = (ROOT / paths.PARAMS).read_text()
    assert "on_leak: drop_train" in content
    Path(paths.PARAMS).write_text(content.replace("on_leak: drop_train", f"on_leak: {on_leak}"))
    base = real["generation"][:400]
    place = assigned(base, tasks.load("generation"), settings("generation"))
    hosts = {name: [row for row in base if place[row.group] == name] for name in ("train", "test")}
    texts = {}
    for at, (one, other, _) in enumerate(TWINS):
        texts[hosts["test"][at].id], texts[hosts["train"][at].id] = one, other
    rows = [replace(row, text=texts.get(row.id, row.text)) for row in base]
    put("generation", rows)
    split.main("generation")
    _, dropped, metric = got("generation")
    goes = "train" if stays == "test" else "test"
    for at, (_, _, reason) in enumerate(TWINS):
        assert dropped[hosts[goes][at].id] == f"{reason}_{stays}"
        assert hosts[stays][at].id not in dropped
    assert metric["leaks_removed"] == len(dropped) >= len(TWINS)


@pytest.mark.parametrize("task", ["sentiment", "intent"])
def test_a_second_run_gives_the_same_bytes(project: Path, real: Rows, task: str) -> None:
    put(task, real[task])
    runs = []
    for _ in range(2):
        split.main(task)
        files = [*sorted(paths.split(task).iterdir()), paths.metrics("split", task)]
        runs.append([file.read_bytes() for file in files])
    assert runs[0] == runs[1]


def test_a_violation_stops_the_stage() -> None:
    figures = {"groups_crossing": 0, "near_duplicates_crossing": 2, "max_similarity": 0.9}
    with pytest.raises(DataError, match=r"near_duplicates_crossing: 2.*likeness\.permutations"):
        require_no_leak("sentiment", figures)


def test_an_empty_split_is_one_clear_line(project: Path) -> None:
    put("generation", [row(str(n), "one document") for n in range(9)])
    with pytest.raises(DataError, match=r"no row is left for validation: raise generation\.split"):
        split.main("generation")
    assert not paths.split("generation").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratios": {"train": 0.8, "validation": 0.1, "test": 0.2}}, "must add up to 1"),
        ({"ratios": {"train": 0.9, "validation": 0.1, "test": 0.0}}, r"ratios\.test"),
        ({"on_leek": "drop_train"}, r"Did you mean sentiment\.split\.on_leak"),
        ({"on_leak": "keep"}, r"on_leak.*drop_train"),
        ({"near_duplicates": {"threshold": 1.5, "ngram_size": 5, "num_perm": 128}}, "threshold"),
    ],
)
def test_wrong_params_are_one_clear_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        settings(**changes)
    assert "\n" not in str(caught.value)


def test_missing_input_is_one_clear_line(project: Path) -> None:
    with pytest.raises(StageError, match="missing"):
        split.main("sentiment")
