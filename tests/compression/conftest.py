"""A small random network of each supported architecture, as the model of a task."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
)

from tandem.core import task as tasks
from tandem.core.rows import Row
from tandem.modeling.base import TextModel

SIZE = 400


class Probe(TextModel):
    """A model of any architecture that learns to predict a text's first token."""

    auto: ClassVar[type[Any]] = AutoModelForSequenceClassification

    @classmethod
    def initialize(cls, *_: Any) -> Any:
        raise NotImplementedError

    def encode(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [{"input_ids": [2 + (ord(c) * 7) % 350 for c in row.text[:12]]} for row in rows]

    def collate(self) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        def pad(batch: list[dict[str, Any]]) -> dict[str, Tensor]:
            ids = [torch.tensor(e["input_ids"]) for e in batch]
            return {"input_ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)}

        return pad

    def logits(self, network: Any, ids: Tensor) -> Tensor:
        inputs = {"decoder_input_ids": ids} if network.config.is_encoder_decoder else {}
        probe: Tensor = network(input_ids=ids, **inputs).logits
        return probe

    def loss(self, network: Any, batch: dict[str, Tensor], smoothing: float) -> Tensor:
        targets = batch["input_ids"][:, 0]
        (logits,) = self.logits_of(network, batch)
        return torch.nn.functional.cross_entropy(
            logits, targets % logits.shape[-1], label_smoothing=smoothing
        )

    def logits_of(self, network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
        logits = self.logits(network, batch["input_ids"])
        return [logits if logits.ndim == 2 else logits[:, -1]]

    def predict(self, rows: Sequence[Row], batch_size: int) -> list[dict[str, Any]]:
        raise NotImplementedError


def _network(architecture: str) -> tuple[Any, type[Any]]:
    if architecture == "bert":
        bert = BertConfig(
            vocab_size=SIZE,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=128,
            num_labels=5,
        )
        return BertForSequenceClassification(bert), AutoModelForSequenceClassification
    if architecture == "llama":
        llama = LlamaConfig(
            vocab_size=SIZE,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=128,
            tie_word_embeddings=True,
        )
        return LlamaForCausalLM(llama), AutoModelForCausalLM
    marian = MarianConfig(
        vocab_size=SIZE,
        d_model=64,
        encoder_layers=3,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        forced_eos_token_id=1,
    )
    return MarianMTModel(marian), AutoModelForSeq2SeqLM


@pytest.fixture(params=["bert", "llama", "marian"])
def probe(request: pytest.FixtureRequest, tiny: Path) -> Probe:
    torch.manual_seed(3)
    network, auto = _network(request.param)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tiny / "encoder")
    probe_class = type("Probe", (Probe,), {"auto": auto})
    probe: Probe = probe_class(network.eval(), tokenizer, tasks.load("sentiment"))
    return probe


@pytest.fixture
def rows(rated: list[Row]) -> list[Row]:
    return rated
