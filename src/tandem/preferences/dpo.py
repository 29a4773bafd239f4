"""Direct preference optimisation: raise what the reward model likes of a generator's own samples.

Rafailov et al., Direct Preference Optimization: Your Language Model is Secretly a Reward Model
(NeurIPS 2023), equation 7. The samples are the generator's own, so its log-probabilities at
sampling time are those of the reference, and no second network is needed in training.
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
    """So many pairs of each prompt's samples, which stand together, `per_prompt` at a time.

    Each prompt's samples are ranked by reward, and the best `pairs` of them paired with as many of
    the worst, the first with the first of each, so that all pairs have a margin.
    """
    found = []
    for at in range(0, len(samples), per_prompt):
        order = sorted(range(at, at + per_prompt), key=lambda place: -rewards[place])
        found += [
            _pair(samples[chosen], samples[rejected])
            for chosen, rejected in zip(order[:pairs], order[-pairs:], strict=True)
            if rewards[chosen] > rewards[rejected]
        ]
    return found


def _pair(chosen: Sample, rejected: Sample) -> dict[str, Any]:
    longer = max(chosen, rejected, key=lambda sample: len(sample.drawn))
    return {"chosen": chosen, "rejected": rejected, "input_ids": longer.prompt + longer.drawn}


def collate(pairs: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """All chosen samples, then all rejected ones, of (2 × pairs) rows.

    `input_ids` and `attention_mask` (rows, length), `drawn` (rows, length − 1) is true where the
    next token was drawn, `reference` (rows,) the log-probabilities before training.
    """
    samples = [pair[side] for side in SIDES for pair in pairs]
    reference = torch.tensor([sample.log_probability for sample in samples])
    return {**batch(samples), "reference": reference}


def batch(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """`input_ids`, `attention_mask`, and `drawn`, which is false for prompts and padding."""
    tensors = padded([sample.prompt + sample.drawn for sample in samples])
    drawn = tensors["attention_mask"][:, 1:].bool()
    for row, sample in enumerate(samples):
        drawn[row, : len(sample.prompt) - 1] = False
    return {**tensors, "drawn": drawn}


def loss(beta: float, anchor: float = 0.0) -> Callable[[Any, dict[str, Tensor], float], Tensor]:
    """The DPO loss with `beta`, the weight of staying close to the reference.

    DPO asks for the chosen to lead, and lets both lose likelihood to texts that nobody judged, as
    ones that never end. `anchor` weighs the mean negative log-likelihood of the chosen samples'
    tokens beside it, in nats (Pang et al. 2024, Iterative Reasoning Preference Optimization).
    """

    def of_batch(network: Any, tensors: dict[str, Tensor], smoothing: float) -> Tensor:
        policy = log_likelihood(network, tensors, tensors["drawn"])
        chosen, rejected = (beta * (policy - tensors["reference"])).chunk(2)
        found = preference_loss(chosen - rejected, smoothing)
        if anchor:
            tokens = tensors["drawn"].chunk(2)[0].sum()
            found = found - anchor * policy.chunk(2)[0].sum() / tokens
        return found

    return of_batch
