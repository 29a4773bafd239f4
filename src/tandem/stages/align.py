"""Move the generator toward the reward: DPO on its own samples, ranked by the reward model.

The generator goes on from the first words of real texts, several times each; the better
continuations are made likelier than the worse ones, the more so the less `beta` holds it back.

Reads   data/split/TASK/{train,validation}.parquet, for prompts; models/TASK/{base,reward};
        the params `runtime` and `TASK.align`
Writes  models/TASK/aligned                what `from_pretrained` of Hugging Face reads
        reports/metrics/align/TASK.json    reward and length before and after, KL, on samples
                                           from validation prompts that are drawn afresh
        reports/plots/align/TASK.csv       the loss curve

    tandem align generation
"""

from typing import Any, Self

from pydantic import Field, model_validator

from tandem.core import params, paths
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed
from tandem.core.rows import Row, read_rows
from tandem.core.training_params import Training
from tandem.preferences.params import Prompting


class Params(Training):
    """How the generator is aligned; `max_rows` and `max_validation_rows` count prompts."""

    prompting: Prompting
    """What the generator goes on from, and how far."""
    samples_per_prompt: int = Field(ge=2)
    """Continuations of each prompt."""
    pairs_per_prompt: int = Field(ge=1)
    """So many of a prompt's best are set against as many of its worst, half at the most."""
    beta: float = Field(gt=0)
    """Weight of staying close to the base model; Rafailov et al. (2023) use 0.1 to 0.5."""
    anchor: float = Field(default=0.0, ge=0)
    """Weight of the chosen samples' own likelihood; Pang et al. (2024) use 1."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.samples_per_prompt < 2 * self.pairs_per_prompt:
            raise ValueError("samples_per_prompt must be twice pairs_per_prompt at least")
        if self.max_length <= self.prompting.new_tokens:
            raise ValueError("max_length must leave room for a prompt before new_tokens")
        return self


def main(task: str) -> None:
    """Align the generator of one task."""
    from tandem.modeling.seeding import pin_torch
    from tandem.modeling.training.artifacts import write_fitted
    from tandem.modeling.training.trainer import fit
    from tandem.preferences import completions, dpo
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime = params.project().runtime
    settings = params.load(Params, task, "align")
    reward = RewardModel.load(paths.model(task, "reward"))
    base, aligned = (generator_of(task, "base") for _ in range(2))
    base.max_length = aligned.max_length = settings.max_length - settings.prompting.new_tokens
    limits = {"train": settings.max_rows, "validation": settings.max_validation_rows}
    rows = {
        split: prompts(_rows(task, split), settings.prompting, most)
        for split, most in limits.items()
    }

    def write(model: Any, split: str, name: str) -> completions.Written:
        repeated = [row for row in rows[split] for _ in range(settings.samples_per_prompt)]
        seed = derived_seed(runtime.seed, task, "align", name)
        return completions.write(model, repeated, settings.prompting, reward, seed)

    pin_torch(runtime)
    written = {split: write(base, split, split) for split in limits}
    pairs = {
        split: dpo.ranked(
            found.samples, found.rewards, settings.samples_per_prompt, settings.pairs_per_prompt
        )
        for split, found in written.items()
    }
    curve = fit(
        aligned.network,
        dpo.loss(settings.beta, settings.anchor),
        pairs["train"],
        pairs["validation"],
        dpo.collate,
        settings,
        runtime,
    )
    fresh = write(aligned, "validation", "aligned")

    found = {
        "prompts": len(rows["train"]),
        "pairs": len(pairs["train"]),
        "base": completions.figures(written["validation"], runtime),
        "aligned": completions.figures(fresh, runtime)
        | completions.moved(aligned, base, fresh, settings.prompting.batch_size, runtime),
    }
    write_fitted("align", task, "aligned", aligned, curve, found)


def _rows(task: str, split: str) -> list[Row]:
    return read_rows(paths.split(task) / f"{split}.parquet", tasks.load(task).row)
