"""Direct preference optimization on a generator's own samples, ranked by reward.

The loss is equation 7 of Rafailov et al., Direct Preference Optimization: Your Language Model is
Secretly a Reward Model (NeurIPS 2023). The reference implementation is `DPOTrainer` of TRL. Because
the generator itself writes the samples, their log-probabilities at sampling time are those of the
reference model, and training needs no second network.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tandem.modeling.families.causal import log_likelihood, padded
from tandem.preferences.reward_model import preference_loss
from tandem.preferences.sampling import Sample

SIDES = ("chosen", "rejected")


def ranked(
    samples: Sequence[Sample], rewards: Sequence[float], per_prompt: int, pairs: int
) -> list[dict[str, Any]]:
    """Form preference pairs from the samples of each prompt.

    For each prompt, the samples with the highest rewards are paired with the samples with the
    lowest rewards, so that the two rewards in each pair are far apart.

    Args:
        samples: `per_prompt` samples for the first prompt, then for the second, and so on.
        rewards: the reward of each sample.
        per_prompt: number of samples per prompt.
        pairs: number of pairs per prompt; a pair whose rewards are equal is left out.
    """
    examples = []
    for start in range(0, len(samples), per_prompt):
        order = sorted(range(start, start + per_prompt), key=lambda index: -rewards[index])
        examples += [
            _pair(samples[chosen], samples[rejected])
            for chosen, rejected in zip(order[:pairs], order[-pairs:], strict=True)
            if rewards[chosen] > rewards[rejected]
        ]
    return examples


def _pair(chosen: Sample, rejected: Sample) -> dict[str, Any]:
    longer = max(chosen, rejected, key=lambda sample: len(sample.completion_ids))
    input_ids = longer.prompt_ids + longer.completion_ids
    return {"chosen": chosen, "rejected": rejected, "input_ids": input_ids}


def collate(pairs: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Apply `batch` to a list of all chosen samples, followed by all rejected samples.

    Each tensor has two rows per pair. The additional tensor `reference`, of shape (rows,), contains
    the log-probability of each sample before training.
    """
    samples = [pair[side] for side in SIDES for pair in pairs]
    reference = torch.tensor([sample.log_probability for sample in samples])
    return {**batch(samples), "reference": reference}


def batch(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """The tensors `input_ids`, `attention_mask` and `completion_mask` of `samples`.

    `input_ids` and `attention_mask` have the shape (rows, length). `completion_mask`, of shape
    (rows, length − 1), is true where the next token belongs to a completion, not to a prompt or
    padding.
    """
    tensors = padded([sample.prompt_ids + sample.completion_ids for sample in samples])
    completion_mask = tensors["attention_mask"][:, 1:].bool()
    for row, sample in enumerate(samples):
        completion_mask[row, : len(sample.prompt_ids) - 1] = False
    return {**tensors, "completion_mask": completion_mask}


def loss(beta: float, sft_weight: float = 0.0) -> Callable[[Any, dict[str, Tensor], float], Tensor]:
    """The DPO loss, as a function that takes the arguments that `trainer.fit` passes.

    DPO only compares samples, so both samples of a pair may lose probability to texts that are in
    no pair, such as texts that never end. The negative log-likelihood of the chosen samples keeps
    these samples probable.

    Args:
        beta: how strongly the loss keeps the network close to the reference model.
        sft_weight: weight of the mean negative log-likelihood of the chosen samples' tokens, in
            nats (Pang et al. 2024, Iterative Reasoning Preference Optimization).
    """

    def batch_loss(network: Any, tensors: dict[str, Tensor], smoothing: float) -> Tensor:
        policy = log_likelihood(network, tensors, tensors["completion_mask"])
        chosen, rejected = (beta * (policy - tensors["reference"])).chunk(2)
        value = preference_loss(chosen - rejected, smoothing)
        if sft_weight:
            tokens = tensors["completion_mask"].chunk(2)[0].sum()
            value = value - sft_weight * policy.chunk(2)[0].sum() / tokens
        return value

    return batch_loss
