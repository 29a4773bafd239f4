"""Intervals have nominal coverage, and depend on seed and groups; undefined scores are errors."""

from typing import Any

import numpy as np
import pytest

from tandem import metrics
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.params import Runtime
from tandem.metrics import accuracy, bleu
from tandem.tasks.translation import TranslationRow

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")


def simulate_clusters(random: Any, groups: int, size: int, spread: float) -> tuple[Any, list[str]]:
    """Statistics of clustered rows, and the name of each row's cluster.

    The clusters' accuracies have mean 0.7 and standard deviation `spread`, before they are clipped.
    """
    accuracies = np.clip(random.normal(0.7, spread, groups), 0, 1).repeat(size)
    correct = (random.random(groups * size) < accuracies).astype(float)
    names = [f"g{i}" for i in np.arange(groups).repeat(size)]
    return np.column_stack([correct, np.ones_like(correct)]), names


def test_interval_covers_about_95_percent_with_clusters() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for repeat in range(300):
        table, groups = simulate_clusters(random, groups=60, size=5, spread=0.15)
        interval = metrics.bootstrap_interval(table, groups, accuracy.value, seed=repeat)
        assert interval is not None
        covered += interval[0] <= 0.7 <= interval[1]
    # if the true coverage is .95, the rate in 300 draws exceeds .91 with 99.8 % probability;
    # having only 60 clusters lowers the coverage by about one percentage point
    assert 0.91 <= covered / 300 <= 0.99


def test_interval_over_rows_alone_would_be_too_narrow() -> None:
    table, groups = simulate_clusters(np.random.default_rng(2), groups=40, size=20, spread=0.3)
    clustered = metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    single = metrics.bootstrap_interval(table, [str(i) for i in range(800)], accuracy.value, seed=1)
    assert clustered is not None
    assert single is not None
    assert clustered[1] - clustered[0] > 1.5 * (single[1] - single[0])


def test_interval_depends_on_the_seed_and_is_none_for_one_group() -> None:
    table, groups = simulate_clusters(np.random.default_rng(3), groups=20, size=3, spread=0.2)
    first = metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    assert first == metrics.bootstrap_interval(table, groups, accuracy.value, seed=1)
    assert first != metrics.bootstrap_interval(table, groups, accuracy.value, seed=2)
    assert metrics.bootstrap_interval(table, ["one"] * 60, accuracy.value, seed=1) is None


def test_score_covers_all_rows_and_each_domain(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    predictions = [{"label": row.label} for row in sentiment_rows[:4]] + [{"label": "negative"}] * 4
    scores, tables = metrics.score(task, sentiment_rows, predictions, RUNTIME)
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


def test_variants_are_scored_on_the_same_resamples(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    predictions = [{"label": "positive"} for _ in sentiment_rows]
    first, _ = metrics.score(task, sentiment_rows, predictions, RUNTIME)
    assert first == metrics.score(task, sentiment_rows, predictions, RUNTIME)[0]


def test_translation_scores_have_signatures(translation_rows: Any, translations: Any) -> None:
    scores, _ = metrics.score(tasks.load("translation"), translation_rows, translations, RUNTIME)
    assert "tok:13a" in scores["bleu"]["signature"]
    assert "nc:6" in scores["chrf"]["signature"]


def test_no_rows_and_scores_that_are_not_numbers_are_errors() -> None:
    task = tasks.load("generation")
    with pytest.raises(DataError, match="0 predictions, but 0"):
        metrics.score(task, [], [], RUNTIME)
    with pytest.raises(DataError, match="no rows to score"):
        metrics.sample([], 10)
    row = task.row(id="1", group="1", domain="movie", text="a")
    with pytest.raises(DataError, match="bits_per_byte is not a number"):
        metrics.score(task, [row], [{"bits": float("nan"), "bytes": 1}], RUNTIME)


def test_sample_depends_on_ids_only_and_keeps_the_order(sentiment_rows: Any) -> None:
    chosen = metrics.sample(sentiment_rows, 3)
    assert len(chosen) == 3
    assert chosen == sorted(chosen, key=lambda row: int(row.id))
    assert {row.id for row in metrics.sample(sentiment_rows[::-1], 3)} == {r.id for r in chosen}
    assert metrics.sample(sentiment_rows, None) == sentiment_rows


def test_a_difference_is_paired(sentiment_rows: Any) -> None:
    task = tasks.load("sentiment")
    correct = [{"label": row.label} for row in sentiment_rows]
    two_errors = [*correct[:6], {"label": "neutral"}, {"label": "neutral"}]
    three_errors = [*two_errors[:5], {"label": "positive"}, *two_errors[6:]]
    scored = [
        metrics.score(task, sentiment_rows, predictions, RUNTIME)
        for predictions in (two_errors, three_errors)
    ]
    (higher, tables), (lower, other_tables) = scored
    differences = metrics.difference(task, sentiment_rows, tables, other_tables, RUNTIME)
    assert set(differences) == set(task.metrics)
    for name, difference in differences.items():
        assert difference["value"] == pytest.approx(
            higher[name]["value"] - lower[name]["value"], abs=2e-6
        )
    # the predictions differ in one row of eight, so the interval of the difference is narrower
    # than the interval of either score
    width = differences["accuracy"]["high"] - differences["accuracy"]["low"]
    assert 0 < width < higher["accuracy"]["high"] - higher["accuracy"]["low"]
    zero = metrics.difference(task, sentiment_rows, tables, tables, RUNTIME)
    assert all(
        (difference["value"], difference["low"], difference["high"]) == (0, 0, 0)
        for difference in zero.values()
    )


@pytest.mark.parametrize("name", ["sentiment", "translation", "intent"])
def test_reported_values_are_those_of_evaluate_and_of_the_statistics(
    name: str, request: pytest.FixtureRequest
) -> None:
    rows = request.getfixturevalue(f"{name}_rows")
    predictions = (
        request.getfixturevalue("translations")
        if name == "translation"
        else [{"label": rows[0].label, "spans": [[4, 11, "area"]]} for _ in rows]
    )
    task = tasks.load(name)
    scores, tables = metrics.score(task, rows, predictions, RUNTIME)
    for metric in task.metrics:
        module = metrics.load(metric)
        options = module.options(rows) if hasattr(module, "options") else {}
        for domain in ["", *sorted({row.domain for row in rows})]:
            label = f"{metric}/{domain}" if domain else metric
            if label not in scores:
                continue
            chosen = [i for i, row in enumerate(rows) if domain in ("", row.domain)]
            columns = module.columns([rows[i] for i in chosen], [predictions[i] for i in chosen])
            value = metrics.evaluation(metric).compute(**columns, **options)[metric]
            assert scores[label]["value"] == round(value, 6)
            assert value == pytest.approx(
                module.value(tables[metric][chosen].sum(axis=0)), abs=1e-9
            )


def test_the_library_computes_the_value(
    sentiment_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy, "compute", lambda predictions, references: 0.123)
    predictions = [{"label": "positive"} for _ in sentiment_rows]
    scores, _ = metrics.score(tasks.load("sentiment"), sentiment_rows, predictions, RUNTIME)
    assert scores["accuracy"]["value"] == scores["accuracy/movie"]["value"] == 0.123


def test_domains_share_the_tokenizer_of_the_test_set(translation_rows: Any) -> None:
    """BLEU of a Japanese domain, and its interval, use the tokenizer of the whole test set."""
    rows = [
        *translation_rows,
        *(
            TranslationRow(
                id=f"j{i}", group=f"j{i}", domain="ja", text="Error", target="接続に失敗"
            )
            for i in range(2)
        ),
    ]
    predictions = [{"target": row.target.replace("失敗", "成功")} for row in rows]
    scores, tables = metrics.score(tasks.load("translation"), rows, predictions, RUNTIME)
    japanese = tables["bleu"][-2:].sum(axis=0)
    assert scores["bleu/ja"]["value"] == round(float(bleu.value(japanese)), 6)
