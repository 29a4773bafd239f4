"""Train a reward model on preference pairs.

Pairs are formed from ratings after the rows are split.

Reads   data/split/RATINGS/{train,validation}.parquet, where RATINGS is the task with human
        ratings that is named by `preferences.TASK.ratings`; the model folder that is named by
        `preferences.TASK.encoder`; the params `preferences.TASK`, `runtime` and `TASK.reward`
Writes  models/TASK/reward                     the model, for transformers' `from_pretrained`
        data/preferences/TASK/reward.parquet   the training pairs
        reports/details/reward/TASK.json       pair accuracy on validation pairs, and the numbers of
                                               steps and training pairs
        reports/plots/reward/TASK.csv          the losses by step

Because tasks with the same source have the same split, the encoder was not trained on texts of
validation or test pairs, and the generator's test rows contain no text of a training pair.

    tandem reward generation
"""

from pathlib import Path

from tandem.core import params
from tandem.core.training_params import TrainingParams
from tandem.preferences.params import ClassContrast, PairFilter


class Params(TrainingParams):
    """How the reward model is trained; `max_rows` and `max_validation_rows` count pairs."""

    pairs: PairFilter
    """Which texts form a preference pair."""
    contrast: ClassContrast | None = None
    """Two classes of the encoder: the reward head is initialized with the difference between their
    weights; if null, the head is initialized randomly."""


def main(task: str) -> str:
    """Train the reward model of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.preferences.pairs import pairs_of, preference_of
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.reward_training import train_reward_model

    runtime = params.project().runtime
    preference = preference_of(task)
    stage_params = params.load(Params, task, "reward")
    limits = {"train": stage_params.max_rows, "validation": stage_params.max_validation_rows}
    pairs, validation = (
        pairs_of(preference.ratings, split, stage_params.pairs, limit, runtime)
        for split, limit in limits.items()
    )

    make_torch_deterministic(runtime)
    model = RewardModel.initialize(Path(preference.encoder), stage_params.contrast)
    return train_reward_model("reward", task, model, pairs, validation, stage_params, runtime)
