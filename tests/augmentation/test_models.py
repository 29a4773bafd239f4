"""Operations that ask a model: real rows, tiny models, each answer checked against the model."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
import torch
from modeling.families.test_seq2seq import NEW, ROWS, SETTINGS, TRAINING, row
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    LlamaForCausalLM,
    MarianConfig,
    PreTrainedTokenizerFast,
)

from tandem.augmentation import AugmentationContext, apply, back_translation, masked_lm, to_input
from tandem.augmentation.common.masked_words import MaskedWord, predict_words
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.params import AugmentationModels, Runtime
from tandem.core.rows import Row, Span
from tandem.modeling.families.seq2seq import Model
from tandem.tasks.generation import GenerationRow
from tandem.tasks.intent import IntentRow
from tandem.text.protected import rewrite

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
FILL = masked_lm.Params(kind="masked_lm", rate=0.3, candidates=4, batch_size=3)
TRANSLATE = back_translation.Params(kind="back_translation", batch_size=4)
REQUESTS = [
    IntentRow(
        id="en/HassTurnOn/1/5/test/1",
        group="a",
        domain="homeassistant",
        text="switch the wine cellar lights on",
        label="HassTurnOn",
        spans=(Span(start=11, end=22, label="area"),),
    ),
    IntentRow(
        id="en/HassTurnOn/1/6/test/1",
        group="b",
        domain="homeassistant",
        text="set the attic temperature to 20",
        label="HassClimateSetTemperature",
        spans=(Span(start=8, end=13, label="area"), Span(start=29, end=31, label="temperature")),
    ),
]


@pytest.fixture(scope="session")
def masked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with a masked-LM head."""
    known = AutoTokenizer.from_pretrained(tiny / "encoder")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=known.backend_tokenizer, pad_token="<pad>", mask_token="<mask>"
    )
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=24,
    )
    folder = tmp_path_factory.mktemp("masked")
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def translators(tmp_path_factory: pytest.TempPathFactory) -> AugmentationModels:
    """Untrained models of both directions; their drafts know the phrases of the rows."""
    shape = tmp_path_factory.mktemp("shape")
    MarianConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_position_embeddings=256,
    ).save_pretrained(shape)
    turned = [row(each.target, each.text, each.group) for each in ROWS]
    folders = []
    for rows in (turned, ROWS):
        torch.manual_seed(0)
        model = Model.initialize(shape, tasks.load("translation"), rows, TRAINING, SETTINGS)
        folders.append(tmp_path_factory.mktemp("translator"))
        model.save(folders[-1])
    return AugmentationModels(forward=str(folders[0]), backward=str(folders[1]))


def given(task: str, model: Path | str, back: Path | str = "none") -> AugmentationContext:
    return AugmentationContext(
        tasks.load(task), [], AugmentationModels(forward=str(model), backward=str(back)), RUNTIME
    )


def changed(rows: Sequence[Row], operation: object, context: AugmentationContext) -> list[Row]:
    """The rows after an operation; `rewrite` holds that all hidden pieces are still there."""
    drafts = [to_input(each, context.task, Random(each.id)) for each in rows]
    texts = apply(operation, drafts, context)  # type: ignore[arg-type]
    return [
        rewrite(each, context.task, lambda _, text=text: text)  # type: ignore[misc]
        for each, text in zip(rows, texts, strict=True)
    ]


def test_a_causal_model_weighs_the_whole_text(tiny: Path) -> None:
    blank = MaskedWord(["a", "film"], "of!", ["quiet", "power"])
    (found,) = predict_words([blank], given("generation", tiny / "generator"), 5, 2)
    tokenizer = AutoTokenizer.from_pretrained(tiny / "generator")
    network = LlamaForCausalLM.from_pretrained(tiny / "generator").eval()
    assert 1 < len(found) <= 5 and "of" not in found
    for word, weight in found.items():
        ids = torch.tensor([[1, *tokenizer.encode(f"a film {word}! quiet power")]])
        loss = network(ids, labels=ids).loss.item()
        assert weight == pytest.approx(-loss * (ids.shape[1] - 1), rel=1e-4)


def test_a_masked_model_weighs_what_stands_at_the_mask(masked: Path) -> None:
    blanks = [
        MaskedWord([], "It", ["is", "quite", "a"]),
        MaskedWord(["a"], '"film"', ["of", "power", "."]),
    ]
    found = predict_words(blanks, given("generation", masked), 3, 2)
    tokenizer = AutoTokenizer.from_pretrained(masked)
    network = BertForMaskedLM.from_pretrained(masked).eval()
    for text, own in zip(("<mask> is quite a", 'a "<mask>" of power .'), found, strict=True):
        ids = tokenizer.encode(text)
        logits = network(torch.tensor([ids])).logits[0, ids.index(tokenizer.mask_token_id)]
        for word, weight in own.items():
            at = tokenizer.convert_tokens_to_ids(f"Ġ{word}")
            assert weight == pytest.approx(logits[at].item(), abs=1e-4)
        assert list(own.values()) == sorted(own.values(), reverse=True)


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_words_are_filled_the_same_each_time(
    kind: str, tiny: Path, masked: Path, rated: list[GenerationRow]
) -> None:
    context = given("generation", {"causal": tiny / "generator", "masked": masked}[kind])
    after = changed(rated, FILL, context)
    assert after == changed(rated, FILL, context)
    for one, other in zip(rated, after, strict=True):
        words, filled = one.text.split(), other.text.split()
        assert len(words) == len(filled)
        differing = [pair for pair in zip(words, filled, strict=True) if pair[0] != pair[1]]
        assert len(differing) <= round(0.3 * len(words))
        assert all(old[-1] == new[-1] for old, new in differing if not old[-1].isalnum())
    assert sum(a.text != b.text for a, b in zip(rated, after, strict=True)) > len(rated) / 2


def test_filling_leaves_spans_and_placeholders(tiny: Path) -> None:
    settings = FILL.model_copy(update={"rate": 1.0})
    for before, after in zip(
        REQUESTS, changed(REQUESTS, settings, given("intent", tiny / "generator")), strict=True
    ):
        assert isinstance(after, IntentRow) and after.text != before.text
        assert [after.text[s.start : s.end] for s in after.spans] == [
            before.text[s.start : s.end] for s in before.spans
        ]
    sources = [row(text) for text in NEW]
    filled = changed(sources, settings, given("translation", tiny / "generator"))
    assert "{device}" in filled[1].text and filled[2].text == "{a} {b}"


def test_what_does_not_fit_the_model_stays(masked: Path) -> None:
    long = GenerationRow(id="x", group="x", domain="movie", text=" ".join(["film"] * 60))
    (after,) = changed([long], FILL.model_copy(update={"rate": 1.0}), given("generation", masked))
    kept = [word == "film" for word in after.text.split()]
    assert not kept[0] and kept[-1]


def test_a_source_is_made_from_its_target(translators: AugmentationModels) -> None:
    context = given("translation", translators.forward)
    after = changed(ROWS, TRANSLATE, context)
    assert after == changed(ROWS, TRANSLATE, context)
    assert any(one.text != other.text for one, other in zip(ROWS, after, strict=True))
    for one, other in zip(ROWS, after, strict=True):
        assert other.target == one.target  # type: ignore[attr-defined]
        answer = Model.load(Path(translators.forward), context.task).predict(
            [row(one.target, group=one.group)], 1
        )[0]["target"]
        assert other.text in (answer, one.text)


def test_there_and_back_keeps_spans(translators: AugmentationModels) -> None:
    context = given("intent", translators.forward, translators.backward)
    after = changed(REQUESTS, TRANSLATE, context)
    assert any(one.text != other.text for one, other in zip(REQUESTS, after, strict=True))
    for before, one in zip(REQUESTS, after, strict=True):
        assert isinstance(one, IntentRow)
        assert {(s.label, one.text[s.start : s.end]) for s in one.spans} == {
            (s.label, before.text[s.start : s.end]) for s in before.spans
        }


@pytest.mark.parametrize("operation", [FILL, TRANSLATE])
def test_a_model_of_another_kind_is_one_line(operation: object, tiny: Path) -> None:
    context = given("generation", tiny / "encoder")
    with pytest.raises(ParamsError, match=r"augmenting\.generation\.model: .* is a Bert") as told:
        changed([GenerationRow(id="x", group="x", domain="d", text="a film")], operation, context)
    assert "\n" not in str(told.value)
