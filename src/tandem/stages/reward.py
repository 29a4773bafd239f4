"""Fit a reward model on preferences that are formed from ratings after the split.

Reads   data/split/RATINGS/{train,validation}.parquet, RATINGS being the task with rated rows
        that `preferences.TASK` names; the model folder `encoder` that it names;
        the params `runtime` and `TASK.reward`
Writes  models/TASK/reward                 what `from_pretrained` of Hugging Face reads
        data/preferences/TASK/reward.parquet   the training pairs
        reports/metrics/reward/TASK.json   pair accuracy on validation pairs, steps, pairs
        reports/plots/reward/TASK.csv      the loss curve

Tasks of one source share its split: the encoder has seen no text of a validation or test pair,
nor have the pairs' texts been left to the generator's test rows.

    tandem reward generation
"""

from pathlib import Path

from tandem.core import params
from tandem.core.training_params import TrainingParams
from tandem.preferences.params import ClassContrast, PairFilter


class Params(TrainingParams):
    """How the reward model is fitted; `max_rows` and `max_validation_rows` count pairs."""

    pairs: PairFilter
    """Which texts count as preferred to which."""
    contrast: ClassContrast | None = None
    """Classes of the encoder to start from, where it was trained to classify; null starts anew."""


def main(task: str) -> str:
    """Fit the reward model of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.preferences.pairs import pairs_of, preference_of
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.reward_training import train_reward_model

    runtime = params.project().runtime
    preference = preference_of(task)
    training = params.load(Params, task, "reward")
    limits = {"train": training.max_rows, "validation": training.max_validation_rows}
    pairs, validation = (
        pairs_of(preference.ratings, split, training.pairs, most, runtime)
        for split, most in limits.items()
    )

    make_torch_deterministic(runtime)
    model = RewardModel.start(Path(preference.encoder), training.contrast)
    return train_reward_model("reward", task, model, pairs, validation, training, runtime)
