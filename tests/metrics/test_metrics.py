"""A metric's statistics give the same score as the library `evaluate`, on real and random rows."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem import metrics
from tandem.core import registry
from tandem.core.rows import Span
from tandem.tasks.intent import IntentRow
from tandem.tasks.sentiment import SentimentRow
from tandem.tasks.translation import TranslationRow

CLASSES = ("negative", "neutral", "positive")


def both_scores(name: str, rows: Any, predictions: Any) -> tuple[float, float]:
    """The score from summed statistics, and the score that the library `evaluate` computes."""
    metric = registry.load("metrics", name)
    summed = metric.value(metric.statistics(rows, predictions).sum(axis=0))
    options = metric.options(rows) if hasattr(metric, "options") else {}
    columns = metric.columns(rows, predictions)
    return float(summed), metrics.evaluate_columns(name, columns, **options)


def labeled_rows(labels: list[str]) -> list[SentimentRow]:
    return [
        SentimentRow(id=str(i), group=str(i), domain="d", text="t", label=label)
        for i, label in enumerate(labels)
    ]


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
@given(pairs=st.lists(st.tuples(*[st.sampled_from(CLASSES)] * 2), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_classification_equals_scikit_learn(name: str, pairs: list[tuple[str, str]]) -> None:
    rows, predictions = labeled_rows([true for true, _ in pairs]), [{"label": a} for _, a in pairs]
    summed, library = both_scores(name, rows, predictions)
    assert summed == pytest.approx(library, abs=1e-12)


def test_macro_f1_by_hand() -> None:
    rows = labeled_rows(["negative", "negative", "positive", "positive"])
    predictions = [{"label": "negative"}] * 3 + [{"label": "positive"}]
    # negative: 2 hits, 3 predictions, 2 references, so F1 is 4/5
    # positive: 1 hit, 1 prediction, 2 references, so F1 is 2/3
    assert both_scores("macro_f1", rows, predictions)[0] == pytest.approx((4 / 5 + 2 / 3) / 2)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_translation_equals_sacrebleu(name: str, translation_rows: Any, translations: Any) -> None:
    summed, library = both_scores(name, translation_rows, translations)
    assert 5 < library < 95
    assert summed == pytest.approx(library, abs=1e-9)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
@given(
    pairs=st.lists(
        st.tuples(*[st.text("ab {}.", max_size=12)] * 2).filter(
            lambda combined: combined[0].strip()
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_translation_equals_sacrebleu_in_corner_cases(
    name: str, pairs: list[tuple[str, str]]
) -> None:
    rows = [
        TranslationRow(id=str(i), group=str(i), domain="d", text="t", target=true)
        for i, (true, _) in enumerate(pairs)
    ]
    summed, library = both_scores(name, rows, [{"target": prediction} for _, prediction in pairs])
    assert summed == pytest.approx(library, abs=1e-9)


def test_bleu_counts_characters_where_words_have_no_spaces(translation_rows: Any) -> None:
    bleu = registry.load("metrics", "bleu")
    japanese = [
        TranslationRow(id="1", group="1", domain="d", text="Failed to connect",
                       target="接続に失敗しました"),
    ]  # fmt: skip
    assert "tok:char" in bleu.signature(japanese)
    assert "tok:13a" in bleu.signature(translation_rows)
    summed, library = both_scores("bleu", japanese, [{"target": "接続が失敗しました"}])
    assert 50 < library < 100
    assert summed == pytest.approx(library)


def test_placeholders_kept_by_hand(translation_rows: Any, translations: Any) -> None:
    # Of three translations with placeholders, one renames its placeholder, one keeps it, and one
    # loses one of its two.
    assert both_scores("placeholders_kept", translation_rows, translations) == pytest.approx(
        (1 / 3,) * 2
    )
    plain = translation_rows[:2]
    assert both_scores("placeholders_kept", plain, translations[:2]) == (1.0, 1.0)


def test_span_f1_equals_seqeval_and_hand(intent_rows: Any) -> None:
    predictions: list[dict[str, Any]] = [
        {"label": "", "spans": [[26, 31, "area"]]},  # a hit
        {"label": "", "spans": [[4, 11, "name"], [15, 17, "brightness"]]},  # wrong label; hit
        {"label": "", "spans": [[0, 4, "area"]]},  # no reference span
        {"label": "", "spans": [[9, 14, "name"]]},  # a wrong end
    ]
    summed, library = both_scores("span_f1", intent_rows, predictions)
    assert summed == pytest.approx(2 * 2 / (5 + 4))
    assert summed == pytest.approx(library)


def test_adjacent_spans_of_one_label_remain_two(intent_rows: Any) -> None:
    predictions = [{"label": "", "spans": [[26, 28, "area"], [28, 31, "area"]]}]
    assert both_scores("span_f1", intent_rows[:1], predictions) == (0.0, 0.0)


def test_overlapping_spans_are_rejected(intent_rows: Any) -> None:
    span_f1 = registry.load("metrics", "span_f1")
    predictions = [{"label": "", "spans": [[0, 4, "area"], [3, 6, "name"]]}]
    with pytest.raises(ValueError, match="overlaps"):
        span_f1.columns(intent_rows[:1], predictions)


def test_bits_per_byte_weights_texts_by_length() -> None:
    predictions = [{"bits": 8.0, "bytes": 1}, {"bits": 10.0, "bytes": 9}]
    assert both_scores("bits_per_byte", [None, None], predictions) == (1.8, 1.8)


def test_pair_accuracy_halves_ties() -> None:
    scores = [(1.0, 0.0), (0.5, 0.5), (-1.0, 0.0), (2.0, 1.0)]
    predictions = [{"chosen": chosen, "rejected": rejected} for chosen, rejected in scores]
    assert both_scores("pair_accuracy", [None] * 4, predictions) == (0.625, 0.625)


@given(
    spans=st.lists(
        st.tuples(*[st.sets(st.sampled_from([(0, 2, "a"), (2, 3, "a"), (3, 9, "b")]))] * 2),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_span_f1_equals_seqeval_on_random_spans(spans: list[Any]) -> None:
    rows = [
        IntentRow(id=str(i), group=str(i), domain="d", text="open the door", label="l",
                  spans=tuple(Span(start=a, end=b, label=name) for a, b, name in sorted(true)))
        for i, (true, _) in enumerate(spans)
    ]  # fmt: skip
    predictions = [{"label": "l", "spans": [list(s) for s in sorted(p)]} for _, p in spans]
    summed, library = both_scores("span_f1", rows, predictions)
    assert summed == pytest.approx(library, abs=1e-9)


PLACEHOLDER_TEXTS = st.lists(st.sampled_from(["{a}", "{b}", "text"]), max_size=4).map(" ".join)


@given(pairs=st.lists(st.tuples(PLACEHOLDER_TEXTS, PLACEHOLDER_TEXTS), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_placeholders_kept_equal_on_random_texts(pairs: list[tuple[str, str]]) -> None:
    rows = [
        TranslationRow(id=str(i), group=str(i), domain="d", text=source, target="t")
        for i, (source, _) in enumerate(pairs)
    ]
    predictions = [{"target": translation} for _, translation in pairs]
    summed, library = both_scores("placeholders_kept", rows, predictions)
    assert summed == pytest.approx(library, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("bits_per_byte", ("bits", "bytes")), ("pair_accuracy", ("chosen", "rejected"))],
)
@given(numbers=st.lists(st.tuples(st.floats(0, 1e4), st.integers(1, 500)), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_scores_of_random_numbers_equal(
    name: str, keys: tuple[str, str], numbers: list[tuple[float, int]]
) -> None:
    predictions = [dict(zip(keys, pair, strict=True)) for pair in numbers]
    summed, library = both_scores(name, [None] * len(numbers), predictions)
    assert summed == pytest.approx(library, rel=1e-9, abs=1e-9)


def test_evaluate_combines_them_offline(sentiment_rows: Any) -> None:
    import evaluate

    predictions = [{"label": "positive"} for _ in sentiment_rows]
    columns = registry.load("metrics", "accuracy").columns(sentiment_rows, predictions)
    combined = evaluate.combine([metrics.evaluation("accuracy"), metrics.evaluation("macro_f1")])
    assert combined.compute(**columns) == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 9)}


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_is_an_evaluate_metric(name: str) -> None:
    import evaluate

    metric = metrics.evaluation(name)
    assert isinstance(metric, evaluate.Metric)
    assert set(metric.features) == set(registry.load("metrics", name).INPUTS)


@pytest.mark.parametrize("name", ["span_f1", "placeholders_kept", "chrf"])
def test_an_evaluate_metric_computes_what_the_module_does(
    name: str, intent_rows: Any, translation_rows: Any, translations: Any
) -> None:
    spans = [
        {"label": "", "spans": [[s.start, s.end, s.label] for s in r.spans]} for r in intent_rows
    ]
    rows, predictions = (
        (intent_rows, spans) if name == "span_f1" else (translation_rows, translations)
    )
    columns = registry.load("metrics", name).columns(rows, predictions)
    scores = metrics.evaluation(name).compute(**columns)
    assert scores == {name: pytest.approx(both_scores(name, rows, predictions)[0])}


def test_values_broadcast_over_resamples(translation_rows: Any, translations: Any) -> None:
    for name in ("bleu", "chrf", "placeholders_kept"):
        metric = registry.load("metrics", name)
        table = metric.statistics(translation_rows, translations)
        stacked = metric.value(np.stack([table.sum(axis=0), table[:2].sum(axis=0)]))
        assert stacked.shape == (2,)
        assert stacked[1] == pytest.approx(metric.value(table[:2].sum(axis=0)))


def test_importing_a_metric_is_light() -> None:
    code = (
        "import sys; from tandem.core import registry;"
        "[registry.load('metrics', n) for n in registry.names('metrics')];"
        "heavy = {'torch', 'sklearn', 'evaluate', 'datasets', 'sacrebleu'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_evaluate_is_imported_without_torch() -> None:
    code = (
        "import sys, tandem.metrics.common.hf;"
        "heavy = {'torch', 'transformers'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = (
        "import sys, transformers, tandem.metrics.common.hf;"
        "sys.exit(sys.modules['transformers'] is not transformers)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
