"""Intervals cover, follow the seed and the groups; scores are whole or an error."""

from typing import Any

import numpy as np
import pytest

from tandem import metrics
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.params import Runtime
from tandem.metrics import accuracy

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")


def simulated(random: Any, groups: int, size: int, spread: float) -> tuple[Any, list[str]]:
    """Rows of clusters whose own accuracy scatters by `spread` around .7."""
    chance = np.clip(random.normal(0.7, spread, groups), 0, 1).repeat(size)
    right = (random.random(groups * size) < chance).astype(float)
    names = [f"g{i}" for i in np.arange(groups).repeat(size)]
    return np.column_stack([right, np.ones_like(right)]), names


def test_interval_covers_about_95_percent_with_clusters() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for repeat in range(300):
        table, groups = simulated(random, groups=60, size=5, spread=0.15)
        ends = metrics.bootstrap_interval(table, groups, accuracy.value, seed=repeat)
        assert ends is not None
        covered += ends[0] <= 0.7 <= ends[1]
    # 300 draws at .95 lie above .91 with 99.8 % chance; the spread of 60 clusters costs ~1 point
    assert 0.91 <= covered / 300 <= 0.99


def test_interval_over_rows_alone_would_be_too_narrow() -> None:
    table, groups = simulated(np.random.default_rng(2), groups=40, size=20, spread=0.3)
    clustered = metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    single = metrics.bootstrap_interval(table, [str(i) for i in range(800)], accuracy.value, seed=1)
    assert clustered is not None
    assert single is not None
    assert clustered[1] - clustered[0] > 1.5 * (single[1] - single[0])


def test_interval_is_the_seeds_and_none_for_one_group() -> None:
    table, groups = simulated(np.random.default_rng(3), groups=20, size=3, spread=0.2)
    first = metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    assert first == metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    assert first != metrics.bootstrap_interval(table, groups, accuracy.value, seed=2)
    assert metrics.bootstrap_interval(table, ["one"] * 60, accuracy.value, seed=1) is None


def test_score_gives_every_metric_over_all_and_by_domain(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    answers = [{"label": row.label} for row in sentiment_rows[:4]] + [{"label": "negative"}] * 4
    scores, tables = metrics.score(task, sentiment_rows, answers, RUNTIME)
    assert set(scores) == {
        f"{name}{part}" for name in task.metrics for part in ("", "/movie", "/tweets")
    }
    assert scores["accuracy"]["value"] == 0.625
    assert scores["accuracy/movie"]["value"] == 1.0
    assert scores["accuracy/tweets"] | {"low": 0, "high": 0} == {
        "value": 0.25, "low": 0, "high": 0, "n": 4, "seed": 13,
    }  # fmt: skip
    assert scores["accuracy"]["low"] <= 0.625 <= scores["accuracy"]["high"]
    assert tables["accuracy"].shape == (8, 2)


def test_variants_are_judged_on_the_same_draws(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    answers = [{"label": "positive"} for _ in sentiment_rows]
    first, _ = metrics.score(task, sentiment_rows, answers, RUNTIME)
    assert first == metrics.score(task, sentiment_rows, answers, RUNTIME)[0]


def test_signatures_stand_beside_translation_scores(
    translation_rows: Any, translations: Any
) -> None:
    scores, _ = metrics.score(tasks.load("translation"), translation_rows, translations, RUNTIME)
    assert "tok:13a" in scores["bleu"]["signature"]
    assert "nc:6" in scores["chrf"]["signature"]


def test_no_rows_and_no_numbers_are_errors() -> None:
    task = tasks.load("generation")
    with pytest.raises(DataError, match="0 answers to 0"):
        metrics.score(task, [], [], RUNTIME)
    with pytest.raises(DataError, match="empty"):
        metrics.sample([], 10)
    row = task.row(id="1", group="1", domain="movie", text="a")
    with pytest.raises(DataError, match="bits_per_byte is not a number"):
        metrics.score(task, [row], [{"bits": float("nan"), "bytes": 1}], RUNTIME)


def test_sample_is_by_id_alone_and_keeps_order(sentiment_rows: Any) -> None:
    chosen = metrics.sample(sentiment_rows, 3)
    assert len(chosen) == 3
    assert chosen == sorted(chosen, key=lambda row: int(row.id))
    assert {row.id for row in metrics.sample(sentiment_rows[::-1], 3)} == {r.id for r in chosen}
    assert metrics.sample(sentiment_rows, None) == sentiment_rows


def test_a_difference_is_of_the_scores_and_paired(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    right = [{"label": row.label} for row in sentiment_rows]
    half = [*right[:6], {"label": "neutral"}, {"label": "neutral"}]
    worse = [*half[:5], {"label": "positive"}, *half[6:]]
    scored = [metrics.score(task, sentiment_rows, answers, RUNTIME) for answers in (half, worse)]
    (better, one), (lower, other) = scored
    found = metrics.difference(task, sentiment_rows, one, other, RUNTIME)
    assert set(found) == set(task.metrics)
    for name, gain in found.items():
        assert gain["value"] == pytest.approx(
            better[name]["value"] - lower[name]["value"], abs=2e-6
        )
    # they differ in one row of eight, so the interval is that row's alone, not that of two scores
    width = found["accuracy"]["high"] - found["accuracy"]["low"]
    assert 0 < width < better["accuracy"]["high"] - better["accuracy"]["low"]
    same = metrics.difference(task, sentiment_rows, one, one, RUNTIME)
    assert all((gain["value"], gain["low"], gain["high"]) == (0, 0, 0) for gain in same.values())
