"""Align the generator with the reward model by DPO.

The generator continues the first words of real texts, several times each. The continuations are
ranked by reward, and the generator is trained to prefer those with higher reward. A smaller `beta`
lets it move further from the base model.

Reads   data/split/TASK/{train,validation}.parquet, for prompts; models/TASK/{base,reward};
        the params `runtime` and `TASK.align`
Writes  models/TASK/aligned                the model, for `from_pretrained` of transformers
        reports/details/align/TASK.json    reward and length before and after, KL, on new samples
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
    """Which prompts the generator continues, and the length of its continuations."""
    samples_per_prompt: int = Field(default=4, ge=2)
    """Number of continuations sampled per prompt."""
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
            raise ValueError("max_length must leave room for a prompt besides max_new_tokens")
        return self


def main(task: str) -> str:
    """Align the generator of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.modeling.training.artifacts import write_fitted
    from tandem.modeling.training.trainer import fit
    from tandem.preferences import completions, dpo
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime, stage_params = params.project().runtime, params.load(Params, task, "align")
    reward = RewardModel.load(paths.model(task, "reward"))
    base, aligned = (generator_of(task, "base") for _ in range(2))
    base.max_length = aligned.max_length = (
        stage_params.max_length - stage_params.generation.max_new_tokens
    )
    limits = {"train": stage_params.max_rows, "validation": stage_params.max_validation_rows}
    rows = {
        name: prompts(_rows(task, name), stage_params.generation, n) for name, n in limits.items()
    }

    def sample(model: Any, split: str, name: str) -> completions.Completions:
        repeated = [row for row in rows[split] for _ in range(stage_params.samples_per_prompt)]
        seed = derived_seed(runtime.seed, task, "align", name)
        return completions.sample_completions(
            model, repeated, stage_params.generation, reward, seed
        )

    make_torch_deterministic(runtime)

    # Sample from the base model, and rank each prompt's samples by reward.
    written = {split: sample(base, split, split) for split in limits}
    counts = stage_params.samples_per_prompt, stage_params.pairs_per_prompt
    pairs = {
        name: dpo.ranked(sampled.samples, sampled.rewards, *counts)
        for name, sampled in written.items()
    }

    # Train on the pairs.
    loss = dpo.loss(stage_params.beta, stage_params.sft_weight)
    train, validation = pairs["train"], pairs["validation"]
    history = fit(aligned.network, loss, train, validation, dpo.collate, stage_params, runtime)

    # Measure the change on new samples for the validation prompts.
    after = sample(aligned, "validation", "aligned")
    kl = completions.kl_from_base(aligned, base, after, stage_params.generation.batch_size, runtime)
    results: dict[str, Any] = {
        "prompts": len(rows["train"]),
        "pairs": len(train),
        "base": completions.summarize(written["validation"], runtime),
        "aligned": completions.summarize(after, runtime) | kl,
    }
    write_fitted("align", task, "aligned", aligned, history, results)
    before, now = results["base"], results["aligned"]
    return (
        f"{history[-1]['step']:,} steps on {wording.counted(len(train), 'pair')}, mean reward "
        f"{before['reward']['value']:.3f} before, {now['reward']['value']:.3f} after, KL "
        f"{now['kl_per_token']['value']:.3f} per token; "
        f"written to {paths.model(task, 'aligned')}"
    )


def _rows(task: str, split: str) -> list[Row]:
    return read_rows(paths.split(task) / f"{split}.parquet", tasks.load(task).row)
