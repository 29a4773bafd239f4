"""Align the generator with the reward model: DPO on its own samples, ranked by reward.

The generator continues the first words of real texts, several times each, and is trained to prefer
the continuations with higher reward. A smaller `beta` lets it move further from the base model.

Reads   data/split/TASK/{train,validation}.parquet, for prompts; models/TASK/{base,reward};
        the params `runtime` and `TASK.align`
Writes  models/TASK/aligned                the model, for `from_pretrained` of transformers
        reports/metrics/align/TASK.json    reward and length before and after, KL, on new samples
                                           for validation prompts
        reports/plots/align/TASK.csv       the losses by step

    tandem align generation
"""

from typing import Any, Self

from pydantic import Field, model_validator

from tandem.core import params, paths, wording
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed
from tandem.core.rows import Row, read_rows
from tandem.core.training_params import TrainingParams
from tandem.preferences.params import GenerationParams


class Params(TrainingParams):
    """How the generator is aligned; `max_rows` and `max_validation_rows` count prompts."""

    generation: GenerationParams
    """What the generator continues, and how far."""
    samples_per_prompt: int = Field(default=4, ge=2)
    """Continuations of each prompt."""
    pairs_per_prompt: int = Field(default=1, ge=1)
    """Pairs per prompt: the best continuations against the worst, at most half of
    samples_per_prompt."""
    beta: float = Field(default=0.1, gt=0)
    """Weight of staying close to the base model; Rafailov et al. (2023) use 0.1 to 0.5."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the negative log-likelihood of chosen samples; Pang et al. (2024) use 1."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.samples_per_prompt < 2 * self.pairs_per_prompt:
            raise ValueError("samples_per_prompt must be at least twice pairs_per_prompt")
        if self.max_length <= self.generation.max_new_tokens:
            raise ValueError("max_length must leave room for a prompt before max_new_tokens")
        return self


def main(task: str) -> str:
    """Align the generator of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.modeling.training.artifacts import write_fitted
    from tandem.modeling.training.trainer import fit
    from tandem.preferences import completions, dpo
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime, settings = params.project().runtime, params.load(Params, task, "align")
    reward = RewardModel.load(paths.model(task, "reward"))
    base, aligned = (generator_of(task, "base") for _ in range(2))
    base.max_length = aligned.max_length = settings.max_length - settings.generation.max_new_tokens
    limits = {"train": settings.max_rows, "validation": settings.max_validation_rows}
    rows = {name: prompts(_rows(task, name), settings.generation, n) for name, n in limits.items()}

    def sample(model: Any, split: str, name: str) -> completions.Completions:
        repeated = [row for row in rows[split] for _ in range(settings.samples_per_prompt)]
        seed = derived_seed(runtime.seed, task, "align", name)
        return completions.sample_completions(model, repeated, settings.generation, reward, seed)

    make_torch_deterministic(runtime)
    written = {split: sample(base, split, split) for split in limits}
    counts = settings.samples_per_prompt, settings.pairs_per_prompt
    pairs = {name: dpo.ranked(own.samples, own.rewards, *counts) for name, own in written.items()}
    loss = dpo.loss(settings.beta, settings.sft_weight)
    train, validation = pairs["train"], pairs["validation"]
    curve = fit(aligned.network, loss, train, validation, dpo.collate, settings, runtime)

    after = sample(aligned, "validation", "aligned")
    kl = completions.kl_from_base(aligned, base, after, settings.generation.batch_size, runtime)
    results: dict[str, Any] = {
        "prompts": len(rows["train"]),
        "pairs": len(train),
        "base": completions.summarize(written["validation"], runtime),
        "aligned": completions.summarize(after, runtime) | kl,
    }
    write_fitted("align", task, "aligned", aligned, curve, results)
    before, moved = results["base"], results["aligned"]
    return (
        f"{curve[-1]['step']:,} steps on {wording.counted(len(train), 'pair')}, mean reward "
        f"{before['reward']['value']:.3f} before, {moved['reward']['value']:.3f} after, KL "
        f"{moved['kl_per_token']['value']:.3f} per token; "
        f"written to {paths.model(task, 'aligned')}"
    )


def _rows(task: str, split: str) -> list[Row]:
    return read_rows(paths.split(task) / f"{split}.parquet", tasks.load(task).row)
