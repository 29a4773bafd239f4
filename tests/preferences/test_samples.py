import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tandem import modeling
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.modeling.families.causal import Model, log_likelihood
from tandem.preferences import dpo
from tandem.preferences.diversity import distinct_ngrams
from tandem.preferences.kl import kl_divergence
from tandem.preferences.params import GenerationParams
from tandem.preferences.sampling import (
    SPAN,
    Sample,
    decode,
    draw,
    encode_prompts,
    prompts,
    sample_token,
)
from tandem.tasks.generation import GenerationRow

GENERATION = GenerationParams(prompt_words=2, max_new_tokens=6, batch_size=5)


def load_generator(tiny: Path) -> Model:
    result = modeling.load(tiny / "generator", tasks.load("generation"))
    assert isinstance(result, Model)
    return result


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return load_generator(tiny)


@pytest.fixture(scope="module")
def aligned(tiny: Path) -> Model:
    """A generator that differs from `model` only in its last norm, whose weights are doubled."""
    result = load_generator(tiny)
    result.network.model.norm.weight.data.mul_(2)
    return result


@pytest.fixture(scope="module")
def samples(model: Model, rated: list[GenerationRow]) -> list[Sample]:
    return draw(model, GENERATION, prompts(rated, GENERATION, 99), 1)


def test_the_seed_decides_the_samples(
    model: Model, rated: list[GenerationRow], samples: list[Sample]
) -> None:
    rows = prompts(rated, GENERATION, 99)
    assert draw(model, GENERATION, rows, 1) == samples
    assert draw(model, GENERATION, rows, 2) != samples


def test_samples_continue_the_prompts_and_end_at_eos(
    model: Model, rated: list[GenerationRow], samples: list[Sample]
) -> None:
    rows = prompts(rated, GENERATION, 99)
    assert len(rows) == 24
    for row, sample, text in zip(rows, samples, decode(model, samples), strict=True):
        assert text.startswith(" ".join(row.text.split()[:2]))
        assert 1 <= len(sample.completion_ids) <= 6
        assert model.tokenizer.eos_token_id not in sample.completion_ids[:-1]
        assert (
            len(sample.completion_ids) == 6
            or sample.completion_ids[-1] == model.tokenizer.eos_token_id
        )


def test_log_probability_is_that_of_the_completion(model: Model, samples: list[Sample]) -> None:
    """KV cache, left padding and removal of finished sequences do not change probabilities."""
    tensors = dpo.batch(samples)
    with torch.no_grad():
        result = log_likelihood(model.network, tensors, tensors["completion_mask"]).tolist()
    assert result == pytest.approx([sample.log_probability for sample in samples], rel=1e-4)


def test_equal_prompts_are_read_once_and_get_different_samples(
    model: Model, rated: list[GenerationRow]
) -> None:
    rows = [row for row in prompts(rated, GENERATION, 5) for _ in range(4)]
    rows_read: list[int] = []
    hook = model.network.model.register_forward_pre_hook(
        lambda _, inputs: rows_read.append(len(inputs[0]))
    )
    drawn = draw(model, GENERATION.model_copy(update={"batch_size": 20}), rows, 1)
    hook.remove()
    assert rows_read[:2] == [5, 20]
    assert len({tuple(sample.completion_ids) for sample in drawn}) == 20
    assert [s.prompt_ids for s in drawn] == encode_prompts(model, rows, GENERATION)
    test_log_probability_is_that_of_the_completion(model, drawn)


@pytest.mark.parametrize("tokens", [5, SPAN, 3 * SPAN + 7])
def test_tokens_are_sampled_with_their_probabilities(tokens: int) -> None:
    weights = torch.rand(tokens, generator=torch.Generator().manual_seed(1)) ** 8
    weights[-1] = 0
    probs = (weights / weights.sum()).expand(20_000, -1)
    drawn = sample_token(probs, torch.Generator().manual_seed(2))
    counts = torch.bincount(drawn[:, 0], minlength=tokens) / len(probs)
    spread = (probs[0] * (1 - probs[0]) / len(probs)).sqrt()
    assert counts[-1] == 0
    assert ((counts - probs[0]).abs() <= 5 * spread + 1e-4).all()


def test_samples_follow_the_models_probabilities(model: Model) -> None:
    row = GenerationRow(id="x", group="x", domain="movie", text="A gem of")
    generation = GenerationParams(prompt_words=1, max_new_tokens=1, batch_size=2000)
    drawn = draw(model, generation, [row] * 2000, 3)
    with torch.no_grad():
        ids = torch.tensor([encode_prompts(model, [row], generation)[0]])
        expected = model.network(ids).logits[0, -1].softmax(-1).numpy()
    counts = np.bincount([sample.completion_ids[0] for sample in drawn], minlength=len(expected))
    assert np.abs(counts / 2000 - expected).max() < 4 * math.sqrt(expected.max() / 2000)


def test_no_prompt_is_reported(rated: list[GenerationRow]) -> None:
    with pytest.raises(DataError, match="reduce `prompt_words`"):
        prompts(rated, GENERATION.model_copy(update={"prompt_words": 50}), 99)


def test_kl_of_a_model_from_itself_is_zero(model: Model, samples: list[Sample]) -> None:
    result = kl_divergence(model, model, samples, 4)
    assert result[:, 0] == pytest.approx(np.zeros(len(samples)), abs=1e-6)
    assert result[:, 1].tolist() == [len(sample.completion_ids) for sample in samples]


def test_kl_is_the_mean_log_ratio(model: Model, aligned: Model, rated: list[GenerationRow]) -> None:
    """Two unbiased estimates of the KL divergence agree.

    The estimate that sums exact next-token divergences is positive for every sample.
    """
    rows = prompts(rated, GENERATION, 99) * 40
    generation = GENERATION.model_copy(update={"batch_size": 500})
    drawn = draw(aligned, generation, rows, 4)
    exact = kl_divergence(aligned, model, drawn, 500)
    assert (exact[:, 0] > 0).all()
    tensors = dpo.batch(drawn)
    with torch.no_grad():
        base = log_likelihood(model.network, tensors, tensors["completion_mask"]).numpy()
    ratios = np.array([sample.log_probability for sample in drawn]) - base
    error = ratios.std() / math.sqrt(len(ratios))
    assert abs(ratios.mean() - exact[:, 0].mean()) < 4 * error
    assert ratios.std() > exact[:, 0].std()


def test_dpo_loss_by_hand() -> None:
    """β is 0.5, and the log-ratios are ln 9 and -ln 9: the margin is ln 9, and σ(ln 9) = 9/10."""
    tensors = {"reference": torch.tensor([-5.0, -4.0]), "completion_mask": torch.ones(2, 1)}
    policy = torch.tensor([-5.0 + math.log(9), -4.0 - math.log(9)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpo, "log_likelihood", lambda *_: policy)
        result = dpo.loss(0.5)(None, tensors, 0.0)
        with_sft = dpo.loss(0.5, sft_weight=2.0)(None, tensors, 0.0)
    assert result.item() == pytest.approx(-math.log(0.9))
    # the completion of the chosen sample is one token, with log-likelihood ln 9 - 5
    assert with_sft.item() == pytest.approx(result.item() + 2.0 * (5.0 - math.log(9)), rel=1e-6)


def test_dpo_loss_before_training_is_ln_2(model: Model, samples: list[Sample]) -> None:
    pairs = dpo.ranked(samples, list(range(24)), 4, 2)
    with torch.no_grad():
        result = dpo.loss(0.1)(model.network, dpo.collate(pairs), 0.0)
    assert result.item() == pytest.approx(math.log(2), abs=1e-4)


def test_the_best_samples_are_paired_with_the_worst(samples: list[Sample]) -> None:
    rewards = [0.0, 3.0, 1.0, 2.0] + [1.0] * 4
    pairs = dpo.ranked(samples[:8], rewards, 4, 2)
    result = [(pair["chosen"], pair["rejected"]) for pair in pairs]
    assert result == [(samples[1], samples[2]), (samples[3], samples[0])]
    (pair,) = dpo.ranked(samples[:8], rewards, 4, 1)
    assert (pair["chosen"], pair["rejected"]) == (samples[1], samples[0])


def test_distinct_by_hand() -> None:
    assert distinct_ngrams(["a b a", "A b"], 1).tolist() == [[2, 5]]
    assert distinct_ngrams(["a b a", "A b"], 2).tolist() == [[2, 3]]
    assert len(distinct_ngrams(["a b"] * 40, 1)) == 2
    assert distinct_ngrams([], 1).shape == (0, 2)
