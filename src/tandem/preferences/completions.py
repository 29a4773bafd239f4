"""What a generator writes after prompts, judged: rewards, length, variety, and how far it moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.modeling.families.causal import Model
from tandem.preferences.diversity import distinct
from tandem.preferences.intervals import mean, rate
from tandem.preferences.kl import divergence
from tandem.preferences.params import Prompting
from tandem.preferences.reward_model import RewardModel
from tandem.preferences.sampling import Sample, decode, draw


@dataclass(frozen=True, slots=True)
class Written:
    """One sample a row, as tokens and as text, with the reward model's word on it."""

    rows: Sequence[Row]
    samples: list[Sample]
    texts: list[str]
    rewards: list[float]

    @property
    def groups(self) -> list[str]:
        """What the bootstrap draws by."""
        return [row.group for row in self.rows]


def write(
    model: Model, rows: Sequence[Row], prompting: Prompting, reward: RewardModel, seed: int
) -> Written:
    """Have `model` go on from the prompts of `rows`; the same row twice gives two samples."""
    samples = draw(model, prompting, rows, seed)
    texts = decode(model, samples)
    return Written(rows, samples, texts, reward.score(texts))


def figures(written: Written, runtime: Runtime) -> dict[str, Any]:
    """Mean reward, mean length in tokens, and distinct-1 and distinct-2, with intervals."""
    lengths = [len(sample.drawn) for sample in written.samples]
    found = {
        "reward": mean(written.rewards, written.groups, runtime, "reward"),
        "length": mean(lengths, written.groups, runtime, "length"),
    }
    for n in (1, 2):
        table = distinct(written.texts, n)
        blocks = [str(block) for block in range(len(table))]
        found[f"distinct_{n}"] = rate(table, blocks, runtime, f"distinct_{n}")
    return found


def moved(
    aligned: Model, base: Model, written: Written, batch_size: int, runtime: Runtime
) -> dict[str, Any]:
    """KL(aligned ‖ base) in nats by token and by text, over what `aligned` wrote."""
    table = divergence(aligned, base, written.samples, batch_size)
    return {
        "kl_per_token": rate(table, written.groups, runtime, "kl_per_token"),
        "kl_per_text": mean(table[:, 0], written.groups, runtime, "kl_per_text"),
    }
