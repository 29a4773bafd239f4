"""The model family `tagging`, tested on smart-home requests and a randomly initialized encoder."""

import copy
import itertools
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    BertForTokenClassification,
    BertTokenizer,
)

from tandem.compression import CompressionContext, onnx
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.rows import Span
from tandem.core.training_params import TrainingParams
from tandem.modeling.bio_tags import Bounds, adjacency_log_prob, spans_of, tags_of
from tandem.modeling.families.tagging import IGNORED, Model
from tandem.modeling.params import TaggingParams
from tandem.modeling.training.trainer import fit
from tandem.modeling.viterbi import viterbi_decode
from tandem.tasks.intent import IntentRow

RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")
TRAINING = TrainingParams(
    max_steps=60,
    eval_steps=30,
    early_stopping_patience=5,
    batch_size=4,
    learning_rate=1e-2,
    dropout=0.0,
    max_length=64,
)
# From Home Assistant's intents, Apache-2.0; asterisks enclose a span.
REQUESTS = [
    ("HassTurnOn", "turn on the lights in the *attic*", "area"),
    ("HassTurnOn", "turn on the lights in the *wine cellar*", "area"),
    ("HassTurnOn", "open the *garage door*", "name"),
    ("HassLightSet", "set *kitchen* to 40 percent", "area"),
    ("HassLightSet", "set *wine cellar* to 40 percent", "area"),
    ("HassGetCurrentTime", "what time is it", ""),
    ("HassGetCurrentTime", "what's the time", ""),
    ("HassCancelAllTimers", "cancel all *attic* timers", "area"),
]


def _row(number: int) -> IntentRow:
    label, text_with_marks, span_label = REQUESTS[number]
    start, end = text_with_marks.find("*"), text_with_marks.rfind("*") - 1
    spans = (Span(start=start, end=end, label=span_label),) if span_label else ()
    text = text_with_marks.replace("*", "")
    return IntentRow(id=str(number), group="g", domain="d", text=text, label=label, spans=spans)


ROWS = [_row(number) for number in range(len(REQUESTS))]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialized BERT whose tokens consist of one or two characters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789'"
    pieces = [a + b for a in "aeiost" for b in "nrtlds"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary += [*letters, *pieces, *("##" + piece for piece in [*letters, *pieces])]
    folder = tmp_path_factory.mktemp("encoder")
    BertTokenizer(vocab={piece: n for n, piece in enumerate(vocabulary)}).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
    )
    BertForTokenClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def model(encoder: Path) -> Model:
    torch.manual_seed(1)
    params = TaggingParams(kind="tagging", span_weight=1.0, span_dropout=0.0)
    return Model.initialize(encoder, tasks.load("intent"), ROWS, TRAINING, params)


def test_the_loss_equals_that_of_the_logits(model: Model) -> None:
    batch = model.collate()(model.encode(ROWS))
    model.network.eval()
    with torch.no_grad():
        intents, words = model.logits_of(model.network, batch)
        loss = model.loss(model.network, batch, 0.0)
    labels = batch["labels"]
    tags = labels[:, 1:][labels[:, 1:] != IGNORED]
    losses = torch.nn.functional.cross_entropy(intents, labels[:, 0] - model.tags)
    assert torch.allclose(losses + torch.nn.functional.cross_entropy(words, tags), loss)


def test_balanced_weights_scale_only_the_intent_loss(model: Model, encoder: Path) -> None:
    torch.manual_seed(1)
    params = TaggingParams(
        kind="tagging", span_weight=1.0, span_dropout=0.0, class_weights="balanced"
    )
    rows = [*ROWS, ROWS[0], ROWS[0]]  # a frequent intent
    weighted = Model.initialize(encoder, tasks.load("intent"), rows, TRAINING, params)
    names = list(weighted.network.config.id2label.values())[weighted.tags :]
    weights = dict(zip(names, weighted.network.config.class_weights, strict=True))
    often = weights[f"intent:{ROWS[0].label}"]
    assert often == min(weights.values()) < 1

    def losses(tagger: Model, span_weight: float) -> float:
        tagger.network.config.span_weight = span_weight
        batch = tagger.collate()(tagger.encode(ROWS[:1]))
        return tagger.loss(tagger.network.eval(), batch, 0.0).item()

    assert losses(weighted, 0.0) == pytest.approx(often * losses(model, 0.0), rel=1e-4)
    tags = losses(model, 1.0) - losses(model, 0.0)
    assert losses(weighted, 1.0) - losses(weighted, 0.0) == pytest.approx(tags, rel=1e-3)


def test_outputs_are_tags_then_intents(model: Model) -> None:
    labels = list(model.network.config.id2label.values())
    assert labels[: model.tags] == ["O", "B-area", "I-area", "B-name", "I-name"]
    assert labels[model.tags :] == [
        f"intent:{name}"
        for name in ("HassCancelAllTimers", "HassGetCurrentTime", "HassLightSet", "HassTurnOn")
    ]


@pytest.mark.slow
def test_a_graph_predicts_as_the_network_does(model: Model, tmp_path: Path) -> None:
    model.network.eval()
    onnx.compress(
        CompressionContext(copy.deepcopy(model), [], [], RUNTIME, tmp_path), onnx.Params()
    )
    graph = Model.load(tmp_path, model.task)
    assert graph.tags == model.tags
    _, batch = next(model.batches(model.encode_texts([row.text for row in ROWS]), len(ROWS)))
    with torch.inference_mode():
        before, after = (tagger.network(**batch).logits for tagger in (model, graph))
    words = batch["attention_mask"].bool()
    assert (after - before)[words].abs().max() < 0.05 * before.abs().max()
    assert [set(prediction) for prediction in graph.predict(ROWS, 3)] == [{"label", "spans"}] * len(
        ROWS
    )


def test_learns_saves_and_loads(model: Model, tmp_path: Path) -> None:
    examples = model.encode(ROWS)
    fit(model.network, model.loss, examples, examples, model.collate(), TRAINING, RUNTIME)
    predictions = model.predict(ROWS, 3)
    expected = [
        {"label": row.label, "spans": [[s.start, s.end, s.label] for s in row.spans]}
        for row in ROWS
    ]
    assert predictions == expected

    model.save(tmp_path)
    assert Model.load(tmp_path, model.task).predict(ROWS, 3) == predictions
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path)
    batch = model.tokenizer(ROWS[0].text, return_tensors="pt")
    with torch.no_grad():
        first = plain(**batch).logits[0, 0, model.tags :].argmax().item() + model.tags
    assert plain.config.id2label[first] == "intent:HassTurnOn"


def test_first_tokens_of_words_have_the_tags(model: Model) -> None:
    example = model.encode(ROWS[3:4])[0]  # the request "set *kitchen* to 40 percent"
    names = model.network.config.id2label
    labels_of_words = [names[n] for n in example["labels"] if n != IGNORED]
    assert labels_of_words == ["intent:HassLightSet", "O", "B-area", "O", "O", "O"]
    assert len(example["labels"]) == len(example["input_ids"]) > len(labels_of_words)


def test_each_loss_only_affects_its_outputs(model: Model) -> None:
    batch = model.collate()(model.encode(ROWS))
    model.network.eval()
    head = model.network.classifier.bias
    for span_weight, quiet in ((0.0, slice(0, model.tags)), (1.0, slice(0, 0))):
        model.network.config.span_weight = span_weight
        model.network.zero_grad()
        torch.autograd.backward(model.loss(model.network, batch, 0.0))
        assert head.grad is not None
        assert not head.grad[quiet].any()
        assert head.grad[model.tags :].any()


def test_labels_unseen_in_training_are_ignored(model: Model) -> None:
    odd = IntentRow(
        id="x",
        group="x",
        domain="d",
        text="play jazz",
        label="HassPlay",
        spans=(Span(start=5, end=9, label="music"),),
    )
    example = model.encode([odd])[0]
    assert [model.network.config.id2label[n] for n in example["labels"] if n != IGNORED] == ["O"]
    loss = model.loss(model.network, model.collate()([example]), 0.1)
    assert torch.isfinite(loss)


def test_a_long_text_is_truncated(model: Model) -> None:
    long = IntentRow(id="x", group="x", domain="d", text="turn on " * 40, label="HassTurnOn")
    prediction = model.predict([long], 4)[0]
    assert prediction["label"].startswith("Hass")
    assert all(end <= len(long.text) for _, end, _ in prediction["spans"])


WORDS: list[Bounds] = [(0, 3), (4, 9), (9, 10), (12, 20)]


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), min_size=4, max_size=4))
def test_spans_are_whole_words_in_order(tags: list[str]) -> None:
    spans = spans_of(tags, WORDS)
    starts, ends = {w[0] for w in WORDS}, {w[1] for w in WORDS}
    assert all(start in starts and end in ends and start < end for start, end, _ in spans)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    again = tags_of([Span(start=s, end=e, label=k) for s, e, k in spans], WORDS)
    assert spans_of(again, WORDS) == spans


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["O", "I-a", "I-a", "O"], [[4, 10, "a"]]),
        (["B-a", "I-b", "O", "O"], [[0, 3, "a"], [4, 9, "b"]]),
        (["B-a", "B-a", "O", "I-a"], [[0, 3, "a"], [4, 9, "a"], [12, 20, "a"]]),
    ],
)
def test_ill_formed_tags_still_give_spans(tags: list[str], spans: list[list[object]]) -> None:
    assert spans_of(tags, WORDS) == spans


TAGS = ["O", "B-a", "I-a", "B-b", "I-b"]


WORD_SCORES = st.lists(st.floats(-9, 0), min_size=5, max_size=5)


@given(st.lists(st.lists(WORD_SCORES, max_size=4), min_size=1, max_size=3), st.floats(-5, 0))
def test_viterbi_paths_equal_those_of_exhaustive_search(
    texts: list[list[list[float]]], cost: float
) -> None:
    def path_score(path: tuple[str, ...], scores: list[list[float]]) -> float:
        result = sum(row[TAGS.index(tag)] for row, tag in zip(scores, path, strict=True))
        for before, tag in zip(("O", *path), path, strict=False):
            if tag[0] == "I" and before[2:] != tag[2:]:
                return -math.inf
            result += cost if tag[0] == "B" and before != "O" else 0
        return result

    padded = torch.tensor([text + [[0.0] * 5] * (5 - len(text)) for text in texts])
    paths = viterbi_decode(padded, [len(text) for text in texts], TAGS, cost)
    for path, scores in zip(paths, texts, strict=True):
        possible = itertools.product(TAGS, repeat=len(scores))
        best = max(path_score(other, scores) for other in possible)
        assert path_score(tuple(path), scores) == pytest.approx(best, abs=1e-4)


def test_adjacency_keeps_an_unseen_word_in_one_span() -> None:
    """Without the adjacency penalty, both words start a span; with it, they form one span."""
    scores = torch.tensor([[[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.2, 0.2, 0.4, 0.1]]]).log()
    assert viterbi_decode(scores, [2], TAGS, 0.0) == [["B-a", "B-b"]]
    assert viterbi_decode(scores, [2], TAGS, -3.0) == [["B-a", "I-a"]]


def test_adjacency_is_counted_in_the_training_rows(model: Model) -> None:
    assert adjacency_log_prob([["B-a", "B-b"]] * 9) == 0
    assert math.exp(model.network.config.touching) < 0.3


def test_span_dropout_replaces_only_tokens_of_spans(model: Model) -> None:
    batch = model.collate()(model.encode(ROWS))
    ids, labels = batch["input_ids"], batch["labels"]
    torch.manual_seed(0)
    changed = model._hide_spans(ids, labels, 0.999) != ids
    spans = (labels > 0) & (labels < model.tags)
    assert changed.any()
    assert not changed[~spans].any()
    assert not (model._hide_spans(ids, labels, 0.0) != ids).any()
