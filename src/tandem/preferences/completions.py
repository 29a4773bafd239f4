"""What a generator writes after prompts, judged: rewards, length, variety, and how far it moved."""

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
    """One sample a row, as tokens and as text, with the reward model's word on it."""

    rows: Sequence[Row]
    samples: list[Sample]
    texts: list[str]
    rewards: list[float]

    @property
    def groups(self) -> list[str]:
        """What the bootstrap draws by."""
        return [row.group for row in self.rows]


def sample_completions(
    model: Model, rows: Sequence[Row], prompting: GenerationParams, reward: RewardModel, seed: int
) -> Completions:
    """Have `model` go on from the prompts of `rows`; the same row twice gives two samples."""
    samples = draw(model, prompting, rows, seed)
    texts = decode(model, samples)
    return Completions(rows, samples, texts, reward.score(texts))


def summarize(written: Completions, runtime: Runtime) -> dict[str, Any]:
    """Mean reward, mean length in tokens, and distinct-1 and distinct-2, with intervals."""
    lengths = [len(sample.drawn) for sample in written.samples]
    found = {
        "reward": mean(written.rewards, written.groups, runtime, "reward"),
        "length": mean(lengths, written.groups, runtime, "length"),
    }
    for n in (1, 2):
        table = distinct_ngrams(written.texts, n)
        blocks = [str(block) for block in range(len(table))]
        found[f"distinct_{n}"] = rate(table, blocks, runtime, f"distinct_{n}")
    return found


def kl_from_base(
    aligned: Model, base: Model, written: Completions, batch_size: int, runtime: Runtime
) -> dict[str, Any]:
    """KL(aligned ‖ base) in nats by token and by text, over what `aligned` wrote."""
    table = kl_divergence(aligned, base, written.samples, batch_size)
    return {
        "kl_per_token": rate(table, written.groups, runtime, "kl_per_token"),
        "kl_per_text": mean(table[:, 0], written.groups, runtime, "kl_per_text"),
    }
