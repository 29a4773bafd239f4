"""Align the generator with the reward model by DPO.

The generator is prompted with the first words of real texts, and samples several continuations of
each prompt. The continuations are ranked by reward, and the generator is trained to prefer those
with higher reward. A smaller `beta` lets the generator move further from the base model.

Reads   data/split/TASK/{train,validation}.parquet, for prompts; models/TASK/{base,reward};
        the params `runtime` and `TASK.align`
Writes  models/TASK/aligned                the model, for transformers' `from_pretrained`
        reports/details/align/TASK.json    reward and length before and after alignment, and KL
                                           divergence, measured on new samples for validation
                                           prompts
        reports/plots/align/TASK.csv       the losses by step

    tandem align generation
"""

from tandem.core import params, paths, wording
from tandem.core import task as tasks
from tandem.core.rows import read_rows
from tandem.preferences.params import AlignmentParams


class Params(AlignmentParams):
    """How the generator is aligned; `max_rows` and `max_validation_rows` count prompts."""


def main(task: str) -> str:
    """Align the generator of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.modeling.training.artifacts import write_fitted
    from tandem.preferences.alignment import align
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.sampling import generator_of, prompts

    runtime, stage_params = params.project().runtime, params.load(Params, task, "align")
    reward = RewardModel.load(paths.model(task, "reward"))
    base, aligned = (generator_of(task, "base") for _ in range(2))
    base.max_length = aligned.max_length = (
        stage_params.max_length - stage_params.generation.max_new_tokens
    )
    limits = {"train": stage_params.max_rows, "validation": stage_params.max_validation_rows}
    row, folder = tasks.load(task).row, paths.split(task)
    rows = {
        name: prompts(read_rows(folder / f"{name}.parquet", row), stage_params.generation, limit)
        for name, limit in limits.items()
    }

    make_torch_deterministic(runtime)
    history, results = align(task, base, aligned, reward, rows, stage_params, runtime)
    write_fitted("align", task, "aligned", aligned, history, results)
    before, now = results["base"], results["aligned"]
    return (
        f"{history[-1]['step']:,} steps on {wording.counted(results['pairs'], 'pair')}, mean "
        f"reward {before['reward']['value']:.3f} before, {now['reward']['value']:.3f} after, KL "
        f"{now['kl_per_token']['value']:.3f} per token; "
        f"written to {paths.model(task, 'aligned')}"
    )
