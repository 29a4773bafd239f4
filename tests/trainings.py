"""Train a small model of each family briefly, and print digests of the weights.

    python tests/trainings.py

The process pins its instruction set to AVX2, and MKL to its canonical dispatch.

Widths and lengths are unusual on purpose: MKL's dispatches give different results for such sizes.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tandem.core import determinism
from tandem.core.params import Runtime

RUNTIME = Runtime(seed=13, threads=1, isa="avx2", device="cpu")
determinism.pin_environment(RUNTIME)  # before torch is imported

from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    PreTrainedTokenizerFast,
)

from tandem import modeling  # noqa: E402
from tandem.core import task as tasks  # noqa: E402
from tandem.core.rows import Span  # noqa: E402
from tandem.core.training_params import TrainingParams  # noqa: E402
from tandem.modeling.params import ClassificationParams, Seq2SeqParams, TaggingParams  # noqa: E402
from tandem.modeling.seeding import make_torch_deterministic  # noqa: E402
from tandem.modeling.training.trainer import fit  # noqa: E402
from tandem.tasks.generation import GenerationRow  # noqa: E402
from tandem.tasks.intent import IntentRow  # noqa: E402
from tandem.tasks.sentiment import SentimentRow  # noqa: E402
from tandem.tasks.translation import TranslationRow  # noqa: E402

# From Home Assistant's interface texts (Apache-2.0): English, German.
TEXTS = [
    ("Current temperature", "Aktuelle Temperatur"),
    ("No target temperature", "Keine Soll-Temperatur"),
    ("Floor temperature", "Bodentemperatur"),
    ("Min temperature", "Minimale Temperatur"),
    ("Temperature too high", "Temperatur zu hoch"),
    ("Coffee Temperature", "Kaffee-Temperatur"),
    ("Low battery", "Niedriger Batteriestatus"),
    ("Extruder {n} temperature", "Extruder-Temperatur {n}"),
    ("Temperature probe {probe_id}", "Temperatur Fühler {probe_id}"),
    ("Admin API key", "Admin-API-Schlüssel"),
]
TRAINING = TrainingParams(
    max_steps=4,
    eval_steps=2,
    early_stopping_patience=2,
    batch_size=5,
    learning_rate=0.003,
    max_length=32,
)
WIDTHS: dict[str, Any] = {"hidden_size": 88, "intermediate_size": 171, "num_hidden_layers": 2,
                          "num_attention_heads": 4}  # fmt: skip


def main() -> None:
    """Train all four models in a temporary folder, and print their digests as a JSON object."""
    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, initialize) in enumerate(FAMILIES.items()):
            subfolder = Path(folder, name)
            subfolder.mkdir()
            make_torch_deterministic(RUNTIME.model_copy(update={"seed": number}))
            model, rows = initialize(subfolder)
            examples = model.encode(rows)
            collate = model.collate()
            fit(model.network, model.loss, examples, examples, collate, TRAINING, RUNTIME)
            digest = hashlib.sha256()
            for key, weight in sorted(model.network.state_dict().items()):
                digest.update(key.encode() + weight.contiguous().numpy().tobytes())
            digests[name] = digest.hexdigest()[:16]
    print(json.dumps(digests))


def bpe_tokenizer() -> PreTrainedTokenizerFast:
    """A BPE tokenizer trained on `TEXTS`."""
    bpe = ByteLevelBPETokenizer()
    texts = [text for pair in TEXTS for text in pair]
    bpe.train_from_iterator(texts, vocab_size=300, special_tokens=["<pad>", "<s>", "</s>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def letter_tokenizer() -> BertTokenizer:
    """A WordPiece tokenizer of single letters, with [CLS] and [SEP]."""
    letters = "abcdefghijklmnopqrstuvwxyz{}_-"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = [*special, *letters, *("##" + letter for letter in letters)]
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)})


def save_pretrained_parts(network: Any, folder: Path, tokenizer: Any) -> Path:
    """Save a randomly initialized network, and its tokenizer, into `folder`; return the folder."""
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def classify(folder: Path) -> tuple[Any, list[Any]]:
    """A BERT that classifies texts."""
    tokenizer = letter_tokenizer()
    network = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **WIDTHS))
    rows = [
        SentimentRow(id=text, group=text, domain="d", text=text, ratings=(),
                     label=("positive", "negative")[number % 2])
        for number, (text, _) in enumerate(TEXTS)
    ]  # fmt: skip
    task = tasks.load("sentiment")
    params = ClassificationParams(kind="classification")
    family = modeling.family(task)
    return family.initialize(
        save_pretrained_parts(network, folder, tokenizer), task, rows, TRAINING, params
    ), rows


def tag(folder: Path) -> tuple[Any, list[Any]]:
    """A BERT that predicts labels and spans."""
    tokenizer = letter_tokenizer()
    network = BertForTokenClassification(BertConfig(vocab_size=len(tokenizer), **WIDTHS))
    rows = [
        IntentRow(id=text, group=text, domain="d", text=text, label="HassTurnOn",
                  spans=(Span(start=0, end=len(text.split()[0]), label="area"),))
        for text, _ in TEXTS
    ]  # fmt: skip
    task = tasks.load("intent")
    params = TaggingParams(kind="tagging", span_weight=1.0, span_dropout=0.0)
    family = modeling.family(task)
    return family.initialize(
        save_pretrained_parts(network, folder, tokenizer), task, rows, TRAINING, params
    ), rows


def translate(folder: Path) -> tuple[Any, list[Any]]:
    """An untrained Marian model, with embeddings initialized from co-occurrence."""
    MarianConfig(
        d_model=88, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=171, decoder_ffn_dim=171,
        encoder_attention_heads=4, decoder_attention_heads=4, max_position_embeddings=128,
    ).save_pretrained(folder)  # fmt: skip
    rows = [
        TranslationRow(id=text, group="g", domain="d", text=text, target=target)
        for text, target in TEXTS
    ]
    task = tasks.load("translation")
    params = Seq2SeqParams(kind="seq2seq", vocab_size=330, num_beams=2)
    return modeling.family(task).initialize(folder, task, rows, TRAINING, params), rows


def generate(folder: Path) -> tuple[Any, list[Any]]:
    """A Llama that generates texts."""
    tokenizer = bpe_tokenizer()
    config = LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, bos_token_id=1,
                         eos_token_id=2, pad_token_id=0, **WIDTHS)  # fmt: skip
    rows = [GenerationRow(id=text, group=text, domain="movie", text=text) for text, _ in TEXTS]
    task = tasks.load("generation")
    initialize = modeling.family(task).initialize
    return initialize(
        save_pretrained_parts(LlamaForCausalLM(config), folder, tokenizer),
        task,
        rows,
        TRAINING,
        None,
    ), rows


FAMILIES: dict[str, Callable[[Path], tuple[Any, list[Any]]]] = {
    "classification": classify,
    "tagging": tag,
    "seq2seq": translate,
    "causal": generate,
}

if __name__ == "__main__":
    main()
