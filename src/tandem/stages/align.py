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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field, field_validator

from tandem import modeling
from tandem.core import io, params, paths, records
from tandem.core import task as tasks
from tandem.core.determinism import derived_seed, pin_torch
from tandem.core.params import Runtime
from tandem.modeling.causal import Model
from tandem.preferences import direct
from tandem.preferences.divergence import divergence
from tandem.preferences.estimates import mean, rate
from tandem.preferences.reward_model import RewardModel
from tandem.preferences.sampling import Prompting, Sample, decode, draw, generator_of


class Params(modeling.Training):
    """How the generator is aligned; `max_rows` and `max_validation_rows` count prompts."""

    prompting: Prompting
    """What the generator goes on from, and how far."""
    samples_per_prompt: int = Field(ge=2)
    """Continuations of each prompt, an even number: the upper half is set against the lower."""
    beta: float = Field(gt=0)
    """Weight of staying close to the base model; Rafailov et al. (2023) use 0.1 to 0.5."""

    @field_validator("samples_per_prompt")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


@dataclass(frozen=True, slots=True)
class _Judged:
    """Samples, those of one prompt together, with their rewards and the groups of their rows."""

    samples: list[Sample]
    rewards: list[float]
    groups: list[str]


def main(task: str) -> None:
    """Align the generator of one task."""
    runtime = params.project().runtime
    settings = params.load(Params, task, "align")
    known = tasks.load(task)
    reward = RewardModel.load(paths.model(task, "reward"))
    base = generator_of(task, "base")
    limits = {"train": settings.max_rows, "validation": settings.max_validation_rows}
    rows = {
        split: settings.prompting.rows(
            records.read(paths.split(task) / f"{split}.parquet", known.row), most
        )
        for split, most in limits.items()
    }

    pin_torch(runtime)
    judged = {s: _judge(base, reward, rows[s], settings, runtime, s) for s in limits}
    aligned = generator_of(task, "base")
    pairs = {
        split: direct.ranked(found.samples, found.rewards, settings.samples_per_prompt)
        for split, found in judged.items()
    }
    curve = modeling.fit(
        aligned.network,
        direct.loss(settings.beta),
        pairs["train"],
        pairs["validation"],
        direct.collate,
        settings,
        runtime,
    )
    fresh = _judge(aligned, reward, rows["validation"], settings, runtime, "aligned")
    moved = divergence(aligned, base, fresh.samples, settings.prompting.batch_size)

    report: dict[str, Any] = {
        "prompts": len(rows["train"]),
        "pairs": len(pairs["train"]),
        "steps": curve[-1]["step"],
        "validation_loss": min(look["validation_loss"] for look in curve),
        "base": _figures(judged["validation"], runtime),
        "aligned": _figures(fresh, runtime)
        | {
            "kl_per_token": rate(moved, fresh.groups, runtime, "kl_per_token"),
            "kl_per_text": mean(moved[:, 0], fresh.groups, runtime, "kl_per_text"),
        },
    }
    with io.writing(
        paths.model(task, "aligned"), paths.metrics("align", task), paths.plots("align", task)
    ) as (folder, scores, plot):
        aligned.save(folder)
        io.write_json(scores, report)
        modeling.write_curve(plot, curve)


def _judge(
    model: Model,
    reward: RewardModel,
    rows: Sequence[records.Row],
    settings: Params,
    runtime: Runtime,
    name: str,
) -> _Judged:
    """Samples of `model` from the prompts of `rows`, judged by `reward`."""
    repeated = [row for row in rows for _ in range(settings.samples_per_prompt)]
    seed = derived_seed(runtime.seed, "align", name)
    samples = draw(model, settings.prompting, repeated, seed)
    return _Judged(samples, reward.score(decode(model, samples)), [row.group for row in repeated])


def _figures(judged: _Judged, runtime: Runtime) -> dict[str, Any]:
    lengths = [len(sample.drawn) for sample in judged.samples]
    return {
        "reward": mean(judged.rewards, judged.groups, runtime, "reward"),
        "length": mean(lengths, judged.groups, runtime, "length"),
    }
