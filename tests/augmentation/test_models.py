"""Augmentation operations that use models, tested with tiny models on real rows."""

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

from tandem.augmentation import (
    AugmentationContext,
    AugmentationParams,
    back_translation,
    derive_texts,
    masked_lm,
    to_input,
)
from tandem.augmentation.common.masked_words import MaskedWord, predict_words
from tandem.core import task as tasks
from tandem.core.errors import ParamsError
from tandem.core.params import AugmentationModels, Runtime
from tandem.core.rows import Row, Span
from tandem.modeling.families.seq2seq import Model
from tandem.tasks.generation import GenerationRow
from tandem.tasks.intent import IntentRow
from tandem.text.protected import restore

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
MASKED_LM = masked_lm.Params(kind="masked_lm", rate=0.3, candidates=4, batch_size=3)
BACK_TRANSLATION = back_translation.Params(kind="back_translation", batch_size=4)
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
def masked_lm_folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with a masked-LM head."""
    encoder_tokenizer = AutoTokenizer.from_pretrained(tiny / "encoder")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=encoder_tokenizer.backend_tokenizer, pad_token="<pad>", mask_token="<mask>"
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
    """Untrained translation models for both directions, with phrase tables learned from rows."""
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
    reversed_rows = [row(item.target, item.text, item.group) for item in ROWS]
    folders = []
    for rows in (reversed_rows, ROWS):
        torch.manual_seed(0)
        model = Model.initialize(shape, tasks.load("translation"), rows, TRAINING, SETTINGS)
        folders.append(tmp_path_factory.mktemp("translator"))
        model.save(folders[-1])
    return AugmentationModels(forward=str(folders[0]), backward=str(folders[1]))


def make_context(
    task: str, forward: Path | str, backward: Path | str = "none"
) -> AugmentationContext:
    models = AugmentationModels(forward=str(forward), backward=str(backward))
    return AugmentationContext(tasks.load(task), [], models, RUNTIME)


def augment(
    rows: Sequence[Row], params: AugmentationParams, context: AugmentationContext
) -> list[Row]:
    """Apply an operation to rows; `restore` checks that no protected part is lost."""
    inputs = [to_input(item, context.task, Random(item.id)) for item in rows]
    texts = derive_texts(params, inputs, context)
    return [restore(item, context.task, text) for item, text in zip(rows, texts, strict=True)]


def test_a_causal_model_scores_the_whole_text(tiny: Path) -> None:
    masked_word = MaskedWord(["a", "film"], "of!", ["quiet", "power"])
    (scores,) = predict_words([masked_word], make_context("generation", tiny / "generator"), 5, 2)
    tokenizer = AutoTokenizer.from_pretrained(tiny / "generator")
    network = LlamaForCausalLM.from_pretrained(tiny / "generator").eval()
    assert 1 < len(scores) <= 5 and "of" not in scores
    for word, score in scores.items():
        ids = torch.tensor([[1, *tokenizer.encode(f"a film {word}! quiet power")]])
        loss = network(ids, labels=ids).loss.item()
        assert score == pytest.approx(-loss * (ids.shape[1] - 1), rel=1e-4)


def test_a_masked_model_scores_the_mask(masked_lm_folder: Path) -> None:
    masked_words = [
        MaskedWord([], "It", ["is", "quite", "a"]),
        MaskedWord(["a"], '"film"', ["of", "power", "."]),
    ]
    predictions = predict_words(masked_words, make_context("generation", masked_lm_folder), 3, 2)
    tokenizer = AutoTokenizer.from_pretrained(masked_lm_folder)
    network = BertForMaskedLM.from_pretrained(masked_lm_folder).eval()
    texts = ("<mask> is quite a", 'a "<mask>" of power .')
    for text, scores in zip(texts, predictions, strict=True):
        ids = tokenizer.encode(text)
        logits = network(torch.tensor([ids])).logits[0, ids.index(tokenizer.mask_token_id)]
        for word, score in scores.items():
            token_id = tokenizer.convert_tokens_to_ids(f"Ġ{word}")
            assert score == pytest.approx(logits[token_id].item(), abs=1e-4)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_words_are_replaced_reproducibly(
    kind: str, tiny: Path, masked_lm_folder: Path, rated: list[GenerationRow]
) -> None:
    context = make_context(
        "generation", {"causal": tiny / "generator", "masked": masked_lm_folder}[kind]
    )
    after = augment(rated, MASKED_LM, context)
    assert after == augment(rated, MASKED_LM, context)
    for row_before, row_after in zip(rated, after, strict=True):
        words, filled = row_before.text.split(), row_after.text.split()
        assert len(words) == len(filled)
        differing = [pair for pair in zip(words, filled, strict=True) if pair[0] != pair[1]]
        assert len(differing) <= round(0.3 * len(words))
        assert all(old[-1] == new[-1] for old, new in differing if not old[-1].isalnum())
    assert sum(a.text != b.text for a, b in zip(rated, after, strict=True)) > len(rated) / 2


def test_masked_lm_keeps_spans_and_placeholders(tiny: Path) -> None:
    params = MASKED_LM.model_copy(update={"rate": 1.0})
    for before, after in zip(
        REQUESTS, augment(REQUESTS, params, make_context("intent", tiny / "generator")), strict=True
    ):
        assert isinstance(after, IntentRow) and after.text != before.text
        assert [after.text[s.start : s.end] for s in after.spans] == [
            before.text[s.start : s.end] for s in before.spans
        ]
    sources = [row(text) for text in NEW]
    filled = augment(sources, params, make_context("translation", tiny / "generator"))
    assert "{device}" in filled[1].text and filled[2].text == "{a} {b}"


def test_words_beyond_the_longest_input_stay(masked_lm_folder: Path) -> None:
    long = GenerationRow(id="x", group="x", domain="movie", text=" ".join(["film"] * 60))
    (after,) = augment(
        [long],
        MASKED_LM.model_copy(update={"rate": 1.0}),
        make_context("generation", masked_lm_folder),
    )
    kept = [word == "film" for word in after.text.split()]
    assert not kept[0] and kept[-1]


def test_a_source_is_generated_from_its_target(translators: AugmentationModels) -> None:
    context = make_context("translation", translators.forward)
    after = augment(ROWS, BACK_TRANSLATION, context)
    assert after == augment(ROWS, BACK_TRANSLATION, context)
    assert any(a.text != b.text for a, b in zip(ROWS, after, strict=True))
    for before, derived in zip(ROWS, after, strict=True):
        assert derived.target == before.target  # type: ignore[attr-defined]
        answer = Model.load(Path(translators.forward), context.task).predict(
            [row(before.target, group=before.group)], 1
        )[0]["target"]
        assert derived.text in (answer, before.text)


def test_back_translation_keeps_spans(translators: AugmentationModels) -> None:
    context = make_context("intent", translators.forward, translators.backward)
    after = augment(REQUESTS, BACK_TRANSLATION, context)
    assert any(a.text != b.text for a, b in zip(REQUESTS, after, strict=True))
    for before, derived in zip(REQUESTS, after, strict=True):
        assert isinstance(derived, IntentRow)
        assert {(s.label, derived.text[s.start : s.end]) for s in derived.spans} == {
            (s.label, before.text[s.start : s.end]) for s in before.spans
        }


@pytest.mark.parametrize("params", [MASKED_LM, BACK_TRANSLATION])
def test_a_model_of_another_architecture_is_an_error(
    params: AugmentationParams, tiny: Path
) -> None:
    context = make_context("generation", tiny / "encoder")
    with pytest.raises(
        ParamsError, match=r"the forward model of generation, .* has the architecture Bert"
    ) as caught:
        augment([GenerationRow(id="x", group="x", domain="d", text="a film")], params, context)
    assert "\n" not in str(caught.value)
