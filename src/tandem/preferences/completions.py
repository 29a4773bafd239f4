"""Sample texts from a generator; measure their reward, length, diversity and KL divergence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.modeling.families.causal import Model
from tandem.preferences.diversity import distinct_ngrams
from tandem.preferences.intervals import mean, rate
from tandem.preferences.kl import kl_divergence
from tandem.preferences.params import GenerationParams
from tandem.preferences.reward_model import RewardModel
from tandem.preferences.sampling import Sample, decode, draw


@dataclass(frozen=True, slots=True)
class Completions:
    """One sample per row, as tokens and as text, with its reward."""

    rows: Sequence[Row]
    samples: list[Sample]
    texts: list[str]
    rewards: list[float]

    @property
    def groups(self) -> list[str]:
        """The group of each row; groups are the units of the bootstrap."""
        return [row.group for row in self.rows]


def sample_completions(
    model: Model, rows: Sequence[Row], params: GenerationParams, reward: RewardModel, seed: int
) -> Completions:
    """Sample a completion for the prompt of each row; a row that occurs twice gets two samples."""
    samples = draw(model, params, rows, seed)
    texts = decode(model, samples)
    return Completions(rows, samples, texts, reward.score(texts))


def summarize(completions: Completions, runtime: Runtime) -> dict[str, Any]:
    """Mean reward, mean length in tokens, distinct-1 and distinct-2, with confidence intervals."""
    lengths = [len(sample.completion_ids) for sample in completions.samples]
    metrics = {
        "reward": mean(completions.rewards, completions.groups, runtime, "reward"),
        "length": mean(lengths, completions.groups, runtime, "length"),
    }
    for n in (1, 2):
        table = distinct_ngrams(completions.texts, n)
        blocks = [str(block) for block in range(len(table))]
        metrics[f"distinct_{n}"] = rate(table, blocks, runtime, f"distinct_{n}")
    return metrics


def kl_from_base(
    aligned: Model, base: Model, completions: Completions, batch_size: int, runtime: Runtime
) -> dict[str, Any]:
    """KL(aligned ‖ base) in nats per token and per text, over the completions of `aligned`."""
    table = kl_divergence(aligned, base, completions.samples, batch_size)
    return {
        "kl_per_token": rate(table, completions.groups, runtime, "kl_per_token"),
        "kl_per_text": mean(table[:, 0], completions.groups, runtime, "kl_per_text"),
    }
