"""Each baseline learns only from the training rows, and predicts in the format of its task."""

from pathlib import Path
from typing import Any

import pytest

from tandem import metrics
from tandem.baselines import BaselineContext, vader
from tandem.baselines.common import human, word_tagger
from tandem.core import registry
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.rows import Span
from tandem.modeling.bio_tags import spans_of
from tandem.tasks.generation import GenerationRow
from tandem.tasks.intent import IntentRow
from tandem.tasks.sentiment import SentimentRow
from tandem.tasks.translation import TranslationRow

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
CONTEXT = BaselineContext(runtime=RUNTIME, pretrained=Path("none"), batch_size=8)

# Texts from the user interface of Home Assistant (Apache-2.0 license).
PAIRS = [
    ("Invalid authentication", "Ungültige Authentifizierung"),
    ("Invalid host", "Ungültiger Host"),
    ("Unexpected error", "Unerwarteter Fehler"),
    ("Unknown error", "Unbekannter Fehler"),
    ("Device is already configured", "Gerät ist bereits konfiguriert"),
    ("Account is already configured", "Konto ist bereits konfiguriert"),
    ("Set up {name}", "{name} einrichten"),
    ("Do you want to set up {name}?", "Möchtest du {name} einrichten?"),
    ("Unknown device", "Unbekanntes Gerät"),
    ("Device error", "Gerät Fehler"),
]

REQUESTS = [
    ("turn on the lights in the attic", "HassTurnOn", "attic"),
    ("turn on the lights in the kitchen", "HassTurnOn", "kitchen"),
    ("turn off the lights in the attic", "HassTurnOff", "attic"),
    ("turn off the lights in the kitchen", "HassTurnOff", "kitchen"),
    ("switch off the fan in the living room", "HassTurnOff", "living room"),
    ("switch on the fan in the living room", "HassTurnOn", "living room"),
    ("what time is it", "HassGetCurrentTime", ""),
    ("tell me the time", "HassGetCurrentTime", ""),
]

RATED = [
    ("Effective but too tepid biopic", "negative", (-1, 0, -1, 0, -1, -1)),
    ("A lovely film with lovely performances", "positive", (3, 2, 3, 2, 3, 3)),
    ("No one goes unindicted here", "neutral", (0, 0, 1, -1, 0, 0)),
    ("A horrible, dull mess", "negative", (-3, -2, -3, -3, -4, -2)),
    ("Lovely and moving", "positive", (3, 3, 2, 4, 3, 2)),
]


def run(name: str, task: str, train: Any, test: Any) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = registry.load("baselines", name).predict(
        tasks.load(task), train, test, CONTEXT
    )
    assert len(predictions) == len(test)
    return predictions


@pytest.fixture
def sentiment() -> list[SentimentRow]:
    return [
        SentimentRow(id=str(i), group=str(i), domain="movie", text=t, label=label, ratings=ratings)
        for i, (t, label, ratings) in enumerate(RATED)
    ]


@pytest.fixture
def intent() -> list[IntentRow]:
    rows = []
    for i, (text, label, area) in enumerate(REQUESTS):
        start = text.find(area)
        spans = (Span(start=start, end=start + len(area), label="area"),) if area else ()
        rows.append(
            IntentRow(id=str(i), group=str(i), domain="d", text=text, label=label, spans=spans)
        )
    return rows


@pytest.fixture
def translation() -> list[TranslationRow]:
    return [
        TranslationRow(id=str(i), group=str(i), domain="d", text=source, target=target)
        for i, (source, target) in enumerate(PAIRS)
    ]


@pytest.mark.parametrize("task", ["generation", "intent", "sentiment", "translation"])
def test_every_baseline_of_a_task_exists(task: str) -> None:
    for name in tasks.load(task).baselines:
        assert callable(registry.load("baselines", name).predict)


def test_majority_predicts_the_most_frequent_label(sentiment: Any, intent: Any) -> None:
    assert run("majority", "sentiment", sentiment[2:], sentiment[:1]) == [{"label": "negative"}]
    assert run("majority", "sentiment", [sentiment[1], *sentiment[3:]], sentiment[:1]) == [
        {"label": "positive"}
    ]
    assert run("majority", "intent", intent, intent[:1]) == [{"label": "HassTurnOff", "spans": []}]


def test_vader_has_its_published_threshold(sentiment: Any) -> None:
    neutral = SentimentRow(
        id="p", group="p", domain="d", text="A film in two parts", label="neutral"
    )
    labels = [
        prediction["label"] for prediction in run("vader", "sentiment", [], [*sentiment, neutral])
    ]
    assert labels == ["positive", "positive", "negative", "negative", "positive", "neutral"]
    assert vader.compound("VADER is smart, handsome, and funny.") == 0.8316  # from its README


def test_tfidf_learns_labels_and_spans(sentiment: Any, intent: Any) -> None:
    assert run("tfidf", "intent", intent, intent) == [
        {"label": r.label, "spans": [[s.start, s.end, s.label] for s in r.spans]} for r in intent
    ]
    assert run("tfidf", "sentiment", sentiment, sentiment) == [
        {"label": row.label} for row in sentiment
    ]
    one_label = [row for row in sentiment if row.label == "positive"]
    assert run("tfidf", "sentiment", one_label, sentiment[:1]) == [{"label": "positive"}]


def test_consecutive_tags_of_a_label_form_one_span() -> None:
    tags = ["O", "I-area", "I-area", "B-area", "I-name", "O"]
    words = word_tagger.word_bounds("in living room attic lamp now")
    assert spans_of(tags, words) == [
        [3, 14, "area"], [15, 20, "area"], [21, 25, "name"],
    ]  # fmt: skip


def test_copy_source_and_translation_memory(translation: Any) -> None:
    assert run("copy_source", "translation", [], translation)[6] == {"target": "Set up {name}"}
    similar = TranslationRow(id="x", group="x", domain="d", text="Invalid hosts", target="?")
    assert run("translation_memory", "translation", translation, [similar]) == [
        {"target": "Ungültiger Host"}
    ]


def test_lexicon_translates_words_and_keeps_placeholders(translation: Any) -> None:
    texts = ["Unknown error", "Device {name}: Wi-Fi error"]
    rows = [TranslationRow(id=t, group=t, domain="d", text=t, target="?") for t in texts]
    first, second = (a["target"] for a in run("word_lexicon", "translation", translation, rows))
    assert first == "Unbekannter Fehler"
    assert second == "Gerät {name}: Wi-Fi Fehler"


def test_human_compares_each_rater_with_the_others(sentiment: Any) -> None:
    references, predictions = human.judgements(tasks.load("sentiment"), sentiment[:2])
    assert len(references) == 12
    # The first row's ratings are -1 0 -1 0 -1 -1. The mean of the other five ratings is -4/5 for a
    # rating of 0, and -3/5 for a rating of -1. The threshold is 4/6, the absolute value of the mean
    # of all six ratings, so a mean of -3/5 counts as neutral.
    assert [t.label for t in references[:3]] == ["neutral", "negative", "neutral"]
    assert [a["label"] for a in predictions[:3]] == ["negative", "neutral", "negative"]
    assert [a["label"] for a in predictions[6:]] == ["positive"] * 6
    assert {t.group for t in references} == {"0", "1"}


def test_human_needs_ratings(intent: Any) -> None:
    assert human.judgements(tasks.load("intent"), intent) == ([], [])


def test_baselines_score_under_every_metric_of_their_task(intent: Any, translation: Any) -> None:
    for task_name, rows in (("intent", intent), ("translation", translation)):
        task = tasks.load(task_name)
        for name in task.baselines:
            scores, _ = metrics.score(task, rows, run(name, task_name, rows, rows), RUNTIME)
            assert set(task.metrics) <= set(scores)


def test_unadapted_predicts_with_the_pretrained_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from tandem import modeling

    class PretrainedModel:
        def predict(self, rows: Any, batch_size: int) -> list[dict[str, Any]]:
            return [{"bits": float(batch_size), "bytes": len(row.text)} for row in rows]

    def load(folder: Path, task: Any) -> PretrainedModel:
        assert (folder, task.name) == (CONTEXT.pretrained, "generation")
        return PretrainedModel()

    monkeypatch.setattr(modeling, "load", load)
    rows = [GenerationRow(id="1", group="1", domain="movie", text="ab")]
    assert run("unadapted", "generation", [], rows) == [{"bits": 8.0, "bytes": 2}]
