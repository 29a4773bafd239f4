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

PROMPTING = GenerationParams(prompt_words=2, max_new_tokens=6, batch_size=5)


def load(tiny: Path) -> Model:
    found = modeling.load(tiny / "generator", tasks.load("generation"))
    assert isinstance(found, Model)
    return found


@pytest.fixture(scope="module")
def model(tiny: Path) -> Model:
    return load(tiny)


@pytest.fixture(scope="module")
def moved(tiny: Path) -> Model:
    """The same generator, another output: its last norm is twice as large."""
    found = load(tiny)
    found.network.model.norm.weight.data.mul_(2)
    return found


@pytest.fixture(scope="module")
def samples(model: Model, rated: list[GenerationRow]) -> list[Sample]:
    return draw(model, PROMPTING, prompts(rated, PROMPTING, 99), 1)


def test_the_seed_decides_the_samples(
    model: Model, rated: list[GenerationRow], samples: list[Sample]
) -> None:
    rows = prompts(rated, PROMPTING, 99)
    assert draw(model, PROMPTING, rows, 1) == samples
    assert draw(model, PROMPTING, rows, 2) != samples


def test_samples_go_on_from_the_prompts_and_end_at_eos(
    model: Model, rated: list[GenerationRow], samples: list[Sample]
) -> None:
    rows = prompts(rated, PROMPTING, 99)
    assert len(rows) == 24
    for row, sample, text in zip(rows, samples, decode(model, samples), strict=True):
        assert text.startswith(" ".join(row.text.split()[:2]))
        assert 1 <= len(sample.drawn) <= 6
        assert model.tokenizer.eos_token_id not in sample.drawn[:-1]
        assert len(sample.drawn) == 6 or sample.drawn[-1] == model.tokenizer.eos_token_id


def test_log_probability_is_that_of_what_was_drawn(model: Model, samples: list[Sample]) -> None:
    """Cache, left padding and cut-out rows change nothing of a row's probabilities."""
    tensors = dpo.batch(samples)
    with torch.no_grad():
        found = log_likelihood(model.network, tensors, tensors["drawn"]).tolist()
    assert found == pytest.approx([sample.log_probability for sample in samples], rel=1e-4)


def test_rows_that_start_alike_are_read_once_and_go_their_own_ways(
    model: Model, rated: list[GenerationRow]
) -> None:
    rows = [row for row in prompts(rated, PROMPTING, 5) for _ in range(4)]
    read: list[int] = []
    hook = model.network.model.register_forward_pre_hook(
        lambda _, given: read.append(len(given[0]))
    )
    drawn = draw(model, PROMPTING.model_copy(update={"batch_size": 20}), rows, 1)
    hook.remove()
    assert read[:2] == [5, 20]
    assert len({tuple(sample.drawn) for sample in drawn}) == 20
    assert [s.prompt for s in drawn] == encode_prompts(model, rows, PROMPTING)
    test_log_probability_is_that_of_what_was_drawn(model, drawn)


@pytest.mark.parametrize("tokens", [5, SPAN, 3 * SPAN + 7])
def test_each_token_is_drawn_as_often_as_it_is_likely(tokens: int) -> None:
    likely = torch.rand(tokens, generator=torch.Generator().manual_seed(1)) ** 8
    likely[-1] = 0
    chances = (likely / likely.sum()).expand(20_000, -1)
    drawn = sample_token(chances, torch.Generator().manual_seed(2))
    counts = torch.bincount(drawn[:, 0], minlength=tokens) / len(chances)
    spread = (chances[0] * (1 - chances[0]) / len(chances)).sqrt()
    assert counts[-1] == 0
    assert ((counts - chances[0]).abs() <= 5 * spread + 1e-4).all()


def test_samples_follow_the_models_probabilities(model: Model) -> None:
    row = GenerationRow(id="x", group="x", domain="movie", text="A gem of")
    prompting = GenerationParams(prompt_words=1, max_new_tokens=1, batch_size=2000)
    drawn = draw(model, prompting, [row] * 2000, 3)
    with torch.no_grad():
        ids = torch.tensor([encode_prompts(model, [row], prompting)[0]])
        wanted = model.network(ids).logits[0, -1].softmax(-1).numpy()
    counts = np.bincount([sample.drawn[0] for sample in drawn], minlength=len(wanted))
    assert np.abs(counts / 2000 - wanted).max() < 4 * math.sqrt(wanted.max() / 2000)


def test_no_prompt_is_told_of(rated: list[GenerationRow]) -> None:
    with pytest.raises(DataError, match="shorter prompts"):
        prompts(rated, PROMPTING.model_copy(update={"prompt_words": 50}), 99)


def test_kl_of_a_model_from_itself_is_zero(model: Model, samples: list[Sample]) -> None:
    found = kl_divergence(model, model, samples, 4)
    assert found[:, 0] == pytest.approx(np.zeros(len(samples)), abs=1e-6)
    assert found[:, 1].tolist() == [len(sample.drawn) for sample in samples]


def test_kl_is_the_mean_log_ratio(model: Model, moved: Model, rated: list[GenerationRow]) -> None:
    """Two unbiased estimates of one number agree; the exact steps are never negative."""
    rows = prompts(rated, PROMPTING, 99) * 40
    prompting = PROMPTING.model_copy(update={"batch_size": 500})
    drawn = draw(moved, prompting, rows, 4)
    exact = kl_divergence(moved, model, drawn, 500)
    assert (exact[:, 0] > 0).all()
    tensors = dpo.batch(drawn)
    with torch.no_grad():
        base = log_likelihood(model.network, tensors, tensors["drawn"]).numpy()
    ratios = np.array([sample.log_probability for sample in drawn]) - base
    error = ratios.std() / math.sqrt(len(ratios))
    assert abs(ratios.mean() - exact[:, 0].mean()) < 4 * error
    assert ratios.std() > exact[:, 0].std()


def test_dpo_loss_by_hand() -> None:
    """β 0.5; chosen gained ln 9 and rejected lost ln 9: margin 0.5 · 2 ln 9 = ln 9, σ = 9/10."""
    tensors = {"reference": torch.tensor([-5.0, -4.0]), "drawn": torch.ones(2, 1)}
    gained = torch.tensor([-5.0 + math.log(9), -4.0 - math.log(9)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpo, "log_likelihood", lambda *_: gained)
        found = dpo.loss(0.5)(None, tensors, 0.0)
        anchored = dpo.loss(0.5, anchor=2.0)(None, tensors, 0.0)
    assert found.item() == pytest.approx(-math.log(0.9))
    # one token of the chosen sample was drawn, with log-likelihood ln 9 - 5
    assert anchored.item() == pytest.approx(found.item() + 2.0 * (5.0 - math.log(9)), rel=1e-6)


def test_dpo_loss_before_training_is_ln_2(model: Model, samples: list[Sample]) -> None:
    pairs = dpo.ranked(samples, list(range(24)), 4, 2)
    with torch.no_grad():
        found = dpo.loss(0.1)(model.network, dpo.collate(pairs), 0.0)
    assert found.item() == pytest.approx(math.log(2), abs=1e-4)


def test_the_best_are_set_against_the_worst(samples: list[Sample]) -> None:
    rewards = [0.0, 3.0, 1.0, 2.0] + [1.0] * 4
    pairs = dpo.ranked(samples[:8], rewards, 4, 2)
    found = [(pair["chosen"], pair["rejected"]) for pair in pairs]
    assert found == [(samples[1], samples[2]), (samples[3], samples[0])]
    (pair,) = dpo.ranked(samples[:8], rewards, 4, 1)
    assert (pair["chosen"], pair["rejected"]) == (samples[1], samples[0])


def test_distinct_by_hand() -> None:
    assert distinct_ngrams(["a b a", "A b"], 1).tolist() == [[2, 5]]
    assert distinct_ngrams(["a b a", "A b"], 2).tolist() == [[2, 3]]
    assert len(distinct_ngrams(["a b"] * 40, 1)) == 2
    assert distinct_ngrams([], 1).shape == (0, 2)
