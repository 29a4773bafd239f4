"""LoRA trains only adapters and the head; the best weights are kept, and adapters are merged."""

from pathlib import Path
from typing import Any

import pytest
import torch
from modeling.training.test_trainer import TRAINING, GivenLosses, network, train_network
from transformers import AutoModelForCausalLM, MarianConfig, MarianMTModel

from tandem.core import task as tasks
from tandem.core.errors import StageError
from tandem.core.params import Runtime
from tandem.core.training_params import LoraParams, TrainingParams
from tandem.modeling.families.causal import Model
from tandem.modeling.training.freezing import freeze
from tandem.modeling.training.lora import adapt, merge
from tandem.modeling.training.trainer import fit
from tandem.preferences import dpo
from tandem.preferences.params import GenerationParams
from tandem.preferences.sampling import draw
from tandem.tasks.generation import GenerationRow

LORA = {"r": 4, "alpha": 8.0}
RUNTIME = Runtime(seed=7, threads=1, isa="avx2", device="cpu")


def changed_parameters(net: Any) -> set[str]:
    before = dict(network().named_parameters())
    return {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}


def test_changes_of_blocks_have_low_rank_and_the_head_is_trained() -> None:
    net, history = train_network(lora=LORA, max_steps=16, eval_steps=8, learning_rate=1e-2)
    assert history[-1]["train_loss"] < 0.9 * history[0]["train_loss"]
    assert {type(m).__module__.split(".")[0] for m in net.modules()} <= {"torch", "transformers"}
    assert not hasattr(net, "peft_config")
    names = changed_parameters(net)
    assert "classifier.weight" in names and not any("embeddings" in name for name in names)
    blocks = [name for name in names if "layer." in name]
    assert len(blocks) == 12 and all(name.endswith("weight") for name in blocks)
    change = net.bert.encoder.layer[0].output.dense.weight.detach() - (
        network().bert.encoder.layer[0].output.dense.weight.detach()
    )
    assert torch.linalg.matrix_rank(change, rtol=1e-4) <= 4


def test_targets_and_trainable_layers_choose_the_layers() -> None:
    net, _ = train_network(lora=LORA | {"target_modules": ["query", "value"]}, trainable_layers=1)
    blocks = {name for name in changed_parameters(net) if "layer." in name}
    attention = "bert.encoder.layer.1.attention.self"
    assert blocks == {f"{attention}.query.weight", f"{attention}.value.weight"}


def test_an_unknown_target_module_is_reported() -> None:
    with pytest.raises(StageError, match="available names: dense, key, query, value"):
        train_network(lora=LORA | {"target_modules": ["q_proj"]})


def test_training_is_reproducible_bit_by_bit() -> None:
    first, second = (train_network(lora=LORA | {"dropout": 0.2})[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_early_stopping_keeps_the_best_adapters() -> None:
    seen: list[torch.Tensor] = []

    class WatchedLosses(GivenLosses):
        def __call__(self, net: Any, *rest: Any) -> torch.Tensor:
            if not net.training:
                layer = net.bert.encoder.layer[1].output.dense
                weight = layer.base_layer.weight + layer.get_delta_weight("default")
                seen.append(weight.detach().clone())
            return super().__call__(net, *rest)

    loss = WatchedLosses(3.0, 1.0, 2.0, 2.0)
    net, _ = train_network(loss, max_steps=20, early_stopping_patience=2, lora=LORA)
    assert torch.allclose(net.bert.encoder.layer[1].output.dense.weight, seen[2], atol=1e-7)
    assert not torch.allclose(net.bert.encoder.layer[1].output.dense.weight, seen[-1], atol=1e-7)
    assert torch.equal(net.classifier.weight, loss.heads[2])


def test_a_trained_and_aligned_decoder_is_saved_as_a_plain_model(
    tiny: Path, splits: dict[str, list[GenerationRow]], tmp_path: Path
) -> None:
    model = Model.load(tiny / "generator", tasks.load("generation"))
    model.max_length = 24
    training = TrainingParams(**(TRAINING | {"lora": LORA}))
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    examples = model.encode(splits["train"])
    fit(model.network, model.loss, examples, examples, model.collate(), training, RUNTIME)
    model.save(tmp_path / "base")
    model = Model.load(tmp_path / "base", tasks.load("generation"))
    model.max_length = 24
    samples = draw(
        model,
        GenerationParams(prompt_words=1, max_new_tokens=6, batch_size=4),
        splits["train"][:4],
        1,
    )
    pairs = dpo.ranked(samples, [1.0, 0.0, 1.0, 0.0], 2, 1)
    fit(model.network, dpo.loss(0.1), pairs, pairs, dpo.collate, training, RUNTIME)
    model.save(tmp_path / "aligned")
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "aligned").state_dict()
    assert plain.keys() == before.keys()
    assert torch.equal(plain["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(plain[name], before[name])


def test_an_encoder_decoder_has_adapters_in_both_stacks() -> None:
    marian = MarianMTModel(
        MarianConfig(vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, pad_token_id=0)
    )
    names = set(dict(marian.named_modules()))
    freeze(marian, 1)
    adapted = adapt(marian, LoraParams(r=2, alpha=2.0))
    trainable = {name for name, p in marian.named_parameters() if p.requires_grad}
    for stack in ("encoder", "decoder"):
        assert f"model.{stack}.layers.0.fc1.lora_A.default.weight" in trainable
    assert not any("shared" in name or "base_layer" in name for name in trainable)
    merge(adapted)
    assert set(dict(marian.named_modules())) == names
