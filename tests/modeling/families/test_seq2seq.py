import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LogitsProcessorList, MarianConfig

from tandem import modeling
from tandem.compression import CompressionContext
from tandem.core import registry
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.training_params import TrainingParams
from tandem.metrics import placeholders_kept
from tandem.modeling.families.seq2seq import Model
from tandem.modeling.params import Seq2SeqParams
from tandem.modeling.seeding import make_torch_deterministic
from tandem.modeling.training.trainer import fit
from tandem.modeling.translation import greedy_search
from tandem.modeling.translation.phrase_table import PhraseTable
from tandem.modeling.translation.placeholders import (
    MARKS,
    PlaceholderConstraint,
    counts,
    names,
    number_placeholders,
    restore_placeholders,
)
from tandem.modeling.translation.pointer_generator import PointerGeneratorMarian
from tandem.modeling.translation.tokenizer import join_hyphens, split_hyphens
from tandem.tasks.translation import TranslationRow

# From Home Assistant's interface texts (Apache-2.0): component, English, German.
TEXTS = [
    ("hotspring", "Current temperature", "Aktuelle Temperatur"),
    ("mqtt", "No target temperature", "Keine Soll-Temperatur"),
    ("iron_os", "Setpoint temperature", "Soll-Temperatur"),
    ("withings", "Body temperature", "Körpertemperatur"),
    ("homee", "Floor temperature", "Bodentemperatur"),
    ("zha", "Min temperature", "Minimale Temperatur"),
    ("tolo", "Tank temperature", "Tanktemperatur"),
    ("incomfort", "Temperature too high", "Temperatur zu hoch"),
    ("environment_canada", "Low temperature", "Niedrige Temperatur"),
    ("home_connect", "Coffee Temperature", "Kaffee-Temperatur"),
    ("overkiz", "Low battery", "Niedriger Batteriestatus"),
    ("tplink", "Low on battery", "Niedriger Batteriestand"),
    ("reolink", "Battery state", "Batteriestatus"),
    ("victron_gx", "Pro battery", "Pro-Batterie"),
    ("octoprint", "Extruder {n} temperature", "Extruder-Temperatur {n}"),
    ("govee_ble", "Temperature probe {probe_id}", "Temperatur Fühler {probe_id}"),
    ("guntamatic", "Buffer stage {tank} top temperature", "Pufferstufe {tank} obere Temperatur"),
    ("ntfy", "Topic {topic} on {name} is protected", "Thema „{topic}“ auf {name} geschützt"),
    ("template", "Select device for {name}", "Gerät auswählen für {name}"),
    ("ghost", "Admin API key", "Admin-API-Schlüssel"),
    ("fuelprices_dk", "Your personal API key", "Dein persönlicher API-Schlüssel"),
]
TASK = tasks.load("translation")
RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
TRAINING = TrainingParams(
    max_steps=6,
    eval_steps=3,
    early_stopping_patience=3,
    batch_size=8,
    learning_rate=0.002,
    max_length=32,
)
SETTINGS = Seq2SeqParams(kind="seq2seq", vocab_size=330, num_beams=2)
NEW = ["Low target temperature", "Select {device} for {name} or {device}", "{a} {b}", "☃ zzz"]


def row(text: str, target: str = "?", group: str = "new") -> TranslationRow:
    return TranslationRow(id=text, group=group, domain=group, text=text, target=target)


ROWS = [row(text, target, group) for group, text, target in TEXTS]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    MarianConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_position_embeddings=128,
        scale_embedding=True,
    ).save_pretrained(folder)
    return folder


def initialize_model(scratch: Path) -> Model:
    make_torch_deterministic(RUNTIME)
    return Model.initialize(scratch, TASK, ROWS, TRAINING, SETTINGS)


@pytest.fixture
def model(scratch: Path) -> Model:
    result = initialize_model(scratch)
    result.network.eval()
    return result


def train(model: Model) -> list[dict[str, float]]:
    examples = model.encode(ROWS)
    return fit(
        model.network, model.loss, examples, examples[:8], model.collate(), TRAINING, RUNTIME
    )


def targets(model: Model, texts: list[str]) -> list[str]:
    return [prediction["target"] for prediction in model.predict([row(text) for text in texts], 3)]


def test_an_untrained_model_copies_the_draft(model: Model) -> None:
    text = "High temperature"
    assert model.phrases.draft(text) == "hoch Temperatur"
    assert targets(model, [text]) == ["Hoch Temperatur"]


def test_training_lowers_the_loss_and_repeats_bit_for_bit(scratch: Path) -> None:
    first, second = initialize_model(scratch), initialize_model(scratch)
    history = train(first)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    train(second)
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name]), name
    assert targets(first, NEW) == targets(second, NEW)


def test_a_saved_model_predicts_as_before(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = modeling.load(tmp_path, TASK)
    assert isinstance(loaded, Model)
    assert not loaded.network.training
    assert targets(loaded, NEW) == targets(model, NEW)
    assert loaded.encode(ROWS) == model.encode(ROWS)
    model.save(tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.decode(tokenizer(" Kühle für {0}.").input_ids) == " Kühle für {0}."


@pytest.mark.parametrize("beams", [1, 3])
def test_a_translation_contains_each_placeholder_of_its_source(model: Model, beams: int) -> None:
    model.network.generation_config.num_beams = beams
    texts = [
        *NEW,
        "{x}",
        "temperature " * 100 + "{x}",
        "{0} and {1}",
        "{1} and {0}",
        "{x} or {y}, {x} or {x}",
        " ".join(f"{{p{i}}}" for i in range(10)),
        "{name}: " + " ".join(f"{{{i}}}" for i in range(10)),
        " ".join(f"{{{letter}}}" for letter in "abcdefghijkl"),
    ]
    for text, target in zip(texts, targets(model, texts), strict=True):
        assert Counter(re.findall(r"\{\w+\}", target)) == Counter(re.findall(r"\{\w+\}", text))
        assert placeholders_kept.compute([target], [text]) == 1


def test_greedy_search_equals_generate(model: Model) -> None:
    train(model)
    model.network.generation_config.update(num_beams=1, length_penalty=None)
    texts = [*NEW, "temperature " * 20 + "{x}", *(text for _, text, _ in TEXTS)]
    batch = model.tokenizer.pad(model._inputs([row(t) for t in texts]), return_tensors="pt")
    expected = torch.tensor([counts(text) for text in texts])
    marks = torch.tensor(model.tokenizer.convert_tokens_to_ids(list(MARKS)))
    max_lengths = batch["attention_mask"].sum(1) + 18

    def make_constraint() -> PlaceholderConstraint:
        return PlaceholderConstraint(marks, expected, max_lengths, model.tokenizer.eos_token_id)

    result = greedy_search.greedy_search(model.network, batch, make_constraint())
    predictions = model.network.generate(
        **batch,
        decoder_copy_ids=batch["input_ids"],
        logits_processor=LogitsProcessorList([make_constraint()]),
        max_length=int(max_lengths.max()),
    )
    assert len(set(predictions.ne(model.tokenizer.pad_token_id).sum(1).tolist())) > 5
    assert torch.equal(result[:, : predictions.shape[1]], predictions)
    assert not result[:, predictions.shape[1] :].any()


def test_batches_do_not_change_predictions(model: Model) -> None:
    rows = [row(text) for text in [*NEW, *(text for _, text, _ in TEXTS)]]
    assert model.predict(rows, 4) == [model.predict([single_row], 1)[0] for single_row in rows]


def test_long_texts_and_punctuation_are_translated(model: Model) -> None:
    assert len(targets(model, ["temperature " * 300, "."])) == 2


def test_the_loss_is_the_mean_over_labels_of_the_mixed_probabilities(model: Model) -> None:
    batch = model.collate()(model.encode(ROWS[:3]))
    loss = model.loss(model.network, batch, 0.0)
    labels = batch.pop("labels")
    initialize_model = torch.full_like(labels[:, :1], model.tokenizer.sep_token_id)
    before = torch.cat([initialize_model, labels[:, :-1]], dim=1)
    before = before.masked_fill(before < 0, model.tokenizer.pad_token_id)
    logits = model.network(**batch, decoder_input_ids=before).logits
    assert logits.exp().sum(-1).detach() == pytest.approx(1, abs=1e-3)
    expected_loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-4)


def test_the_network_loads_without_the_model(model: Model, tmp_path: Path) -> None:
    model.network.save_pretrained(tmp_path)
    loaded = PointerGeneratorMarian.from_pretrained(tmp_path).state_dict()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, loaded[name]), name


def test_a_draft_uses_no_phrase_that_only_its_own_group_has() -> None:
    table = PhraseTable.learn([(text, target, group) for group, text, target in TEXTS])
    assert table.draft("Setpoint temperature") == "Soll-Temperatur"
    assert table.draft("Setpoint temperature", "iron_os") == "Setpoint Temperatur"
    assert table.inside("Hoch hinaus") == "hoch hinaus"
    assert table.inside("Temperatur hoch") == "Temperatur hoch"
    assert table.draft("Quux") == "Quux"
    assert table.draft("") == ""


def test_placeholders_are_numbered_by_first_use() -> None:
    text = "{b} and {a}, {b}: { not } {}"
    placeholders = names(text)
    assert placeholders == ["{b}", "{a}", "{}"]
    assert number_placeholders(text, placeholders) == "{0} and {1}, {0}: { not } {2}"
    assert restore_placeholders(number_placeholders(text, placeholders), placeholders) == text
    assert number_placeholders("{b} {new}", placeholders) == "{0} {new}"
    swapped = ["{1}", "{0}"]
    assert restore_placeholders(number_placeholders("{1} {0}", swapped), swapped) == "{1} {0}"
    assert restore_placeholders("a {7} b", ["{x}"]) == "a  b"


@pytest.mark.parametrize("text", [
    " ".join(f"{{p{i}}}" for i in range(len(MARKS) + 2)),
    "{name}: " + " ".join(MARKS),
    " ".join(f"{{p{i}}}" for i in range(len(MARKS))) + " " + " ".join(reversed(MARKS)),
])  # fmt: skip
def test_more_placeholders_than_numbers_are_restored(text: str) -> None:
    assert len(names(text)) == len(MARKS)
    assert restore_placeholders(number_placeholders(text, names(text)), names(text)) == text


@pytest.mark.parametrize("text", ["WebDAV-Server {0}. {1}-ab-{2} - x-", "☃ à 日本", "-", ""])
def test_tokens_decode_to_the_text(model: Model, text: str) -> None:
    ids = model.tokenizer(split_hyphens(text))["input_ids"]
    assert join_hyphens(model.tokenizer.decode(ids)) == text


def test_a_word_has_the_same_tokens_after_a_hyphen(model: Model) -> None:
    alone, joined = (
        model.tokenizer(split_hyphens(t))["input_ids"] for t in ("Server", "API-Server")
    )
    assert joined[-len(alone) :] == alone


def test_the_end_tokens_score_goes_to_missing_placeholders() -> None:
    marks, expected = torch.tensor([5, 6, 7]), torch.tensor([[1, 1, 0], [1, 0, 0]])
    scores = torch.tensor([[0.0, -1.0, 0.0, 0.0, 0.0, -3.0, -3.0, 2.0]]).repeat(2, 1)
    prefix = torch.tensor([[2, 5], [2, 5]])
    no = -torch.inf
    free, ended = PlaceholderConstraint(marks, expected, torch.tensor([9, 9]), 1)(prefix, scores)
    assert free.tolist() == [0, no, 0, 0, 0, no, -1, no]
    assert ended.tolist() == [0, -1, 0, 0, 0, no, no, no]
    late, last = PlaceholderConstraint(marks, expected, torch.tensor([4, 3]), 1)(prefix, scores)
    assert late.tolist() == [no, no, no, no, no, no, -1, no]
    assert last.tolist() == [no, 0, no, no, no, no, no, no]
    twice = torch.tensor([[2, 0, 0], [1, 0, 0]])
    again, ended = PlaceholderConstraint(marks, twice, torch.tensor([9, 9]), 1)(prefix, scores)
    assert again.tolist() == [0, no, 0, 0, 0, -1, no, no]
    assert ended.tolist() == [0, -1, 0, 0, 0, no, no, no]


def test_the_loss_equals_that_of_the_logits(scratch: Path) -> None:
    model = initialize_model(scratch)
    model.network.eval()
    batch = model.collate()(model.encode(ROWS[:5]))
    with torch.no_grad():
        (logs,) = model.logits_of(model.network, batch)
        loss = model.loss(model.network, batch, 0.0)
    expected = batch["labels"][batch["labels"] != -100]
    assert len(logs) == len(expected)
    assert torch.allclose(-logs.gather(1, expected[:, None]).mean(), loss, atol=1e-4)


METHODS: dict[str, dict[str, Any]] = {
    "int8": {"per_token": False, "num_beams": 1},
    "grouped": {"bits": 4, "group_size": 16},
    "magnitude": {"keep_weights": 0.5, "scope": "network", "recovery": TRAINING},
    "pruned": {
        "keep_ffn": 0.5,
        "keep_heads": 0.5,
        "keep_layers": 1.0,
        "rows": 8,
        "recovery": TRAINING,
    },
    "distilled": {
        "keep_layers": 0.5,
        "temperature": 2.0,
        "distillation_weight": 0.5,
        "training": TRAINING,
    },
}


@pytest.mark.parametrize("method", METHODS)
def test_a_compressed_translator_translates(scratch: Path, tmp_path: Path, method: str) -> None:
    module = registry.load("compression", method)
    params = module.Params(**METHODS[method])
    module.compress(
        CompressionContext(initialize_model(scratch), ROWS, ROWS, RUNTIME, tmp_path), params
    )
    model = modeling.load(tmp_path, TASK)
    predictions = model.predict([row(text) for text in NEW], 2)
    for text, prediction in zip(NEW, predictions, strict=True):
        assert set(names(text)) <= set(names(prediction["target"]))
    assert model.network.generation_config.num_beams == (1 if method == "int8" else 2)
