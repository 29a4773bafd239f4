"""Each metric's statistics give the library's own score, on real rows and in corner cases."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem import metrics
from tandem.core import registry
from tandem.tasks.sentiment import SentimentRow
from tandem.tasks.translation import TranslationRow

CLASSES = ("negative", "neutral", "positive")


def both(name: str, rows: Any, answers: Any) -> tuple[float, float]:
    """The score from summed statistics, and the library's."""
    metric = registry.load("metrics", name)
    summed = metric.value(metric.statistics(rows, answers).sum(axis=0))
    return float(summed), metric.compute(**metric.columns(rows, answers))


def labelled(labels: list[str]) -> list[SentimentRow]:
    return [
        SentimentRow(id=str(i), group=str(i), domain="d", text="t", label=label)
        for i, label in enumerate(labels)
    ]


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
@given(pairs=st.lists(st.tuples(*[st.sampled_from(CLASSES)] * 2), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_classification_equals_sklearn(name: str, pairs: list[tuple[str, str]]) -> None:
    rows, answers = labelled([true for true, _ in pairs]), [{"label": a} for _, a in pairs]
    summed, library = both(name, rows, answers)
    assert summed == pytest.approx(library, abs=1e-12)


def test_macro_f1_by_hand() -> None:
    rows = labelled(["negative", "negative", "positive", "positive"])
    answers = [{"label": "negative"}] * 3 + [{"label": "positive"}]
    # negative: 2 hits of 3 answers and 2 truths: 4/5; positive: 1 of 1 and 2: 2/3
    assert both("macro_f1", rows, answers)[0] == pytest.approx((4 / 5 + 2 / 3) / 2)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_translation_equals_sacrebleu(name: str, translation_rows: Any, translations: Any) -> None:
    summed, library = both(name, translation_rows, translations)
    assert 5 < library < 95
    assert summed == pytest.approx(library, abs=1e-9)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
@given(
    pairs=st.lists(
        st.tuples(*[st.text("ab {}.", max_size=12)] * 2).filter(lambda pair: pair[0].strip()),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_translation_equals_sacrebleu_in_corners(name: str, pairs: list[tuple[str, str]]) -> None:
    rows = [
        TranslationRow(id=str(i), group=str(i), domain="d", text="t", target=true)
        for i, (true, _) in enumerate(pairs)
    ]
    summed, library = both(name, rows, [{"target": answer} for _, answer in pairs])
    assert summed == pytest.approx(library, abs=1e-9)


def test_bleu_counts_characters_where_words_have_no_spaces(translation_rows: Any) -> None:
    bleu = registry.load("metrics", "bleu")
    japanese = [
        TranslationRow(id="1", group="1", domain="d", text="Failed to connect",
                       target="接続に失敗しました"),
    ]  # fmt: skip
    assert "tok:char" in bleu.signature(japanese)
    assert "tok:13a" in bleu.signature(translation_rows)
    summed, library = both("bleu", japanese, [{"target": "接続が失敗しました"}])
    assert 50 < library < 100
    assert summed == pytest.approx(library)


def test_placeholders_kept_by_hand(translation_rows: Any, translations: Any) -> None:
    # three sources hold placeholders: one is renamed, one kept, one of two is lost
    assert both("placeholders_kept", translation_rows, translations) == pytest.approx((1 / 3,) * 2)
    plain = translation_rows[:2]
    assert both("placeholders_kept", plain, translations[:2]) == (1.0, 1.0)


def test_span_f1_equals_seqeval_and_hand(intent_rows: Any) -> None:
    answers: list[dict[str, Any]] = [
        {"label": "", "spans": [[26, 31, "area"]]},  # hit
        {"label": "", "spans": [[4, 11, "name"], [15, 17, "brightness"]]},  # label wrong, hit
        {"label": "", "spans": [[0, 4, "area"]]},  # nothing there
        {"label": "", "spans": [[9, 14, "name"]]},  # end wrong
    ]
    summed, library = both("span_f1", intent_rows, answers)
    assert summed == pytest.approx(2 * 2 / (5 + 4))
    assert summed == pytest.approx(library)


def test_adjoining_spans_of_one_label_stay_two(intent_rows: Any) -> None:
    answers = [{"label": "", "spans": [[26, 28, "area"], [28, 31, "area"]]}]
    assert both("span_f1", intent_rows[:1], answers) == (0.0, 0.0)


def test_overlapping_spans_are_refused(intent_rows: Any) -> None:
    span_f1 = registry.load("metrics", "span_f1")
    answers = [{"label": "", "spans": [[0, 4, "area"], [3, 6, "name"]]}]
    with pytest.raises(ValueError, match="overlaps"):
        span_f1.columns(intent_rows[:1], answers)


def test_bits_per_byte_weighs_by_length() -> None:
    answers = [{"bits": 8.0, "bytes": 1}, {"bits": 10.0, "bytes": 9}]
    assert both("bits_per_byte", [None, None], answers) == (1.8, 1.8)


def test_pair_accuracy_halves_ties() -> None:
    scores = [(1.0, 0.0), (0.5, 0.5), (-1.0, 0.0), (2.0, 1.0)]
    answers = [{"chosen": chosen, "rejected": rejected} for chosen, rejected in scores]
    assert both("pair_accuracy", [None] * 4, answers) == (0.625, 0.625)


def test_evaluate_combines_them_offline(sentiment_rows: Any) -> None:
    import evaluate

    answers = [{"label": "positive"} for _ in sentiment_rows]
    columns = registry.load("metrics", "accuracy").columns(sentiment_rows, answers)
    pair = evaluate.combine([metrics.evaluation("accuracy"), metrics.evaluation("macro_f1")])
    assert pair.compute(**columns) == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 9)}


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
    rows, answers = (intent_rows, spans) if name == "span_f1" else (translation_rows, translations)
    columns = registry.load("metrics", name).columns(rows, answers)
    found = metrics.evaluation(name).compute(**columns)
    assert found == {name: pytest.approx(both(name, rows, answers)[0])}


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
