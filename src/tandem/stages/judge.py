"""Train an independent judge, a second reward model.

The judge is trained on texts and ratings that the first reward model is not trained on.

Reads   data/split/RATINGS/judge.parquet, the rows that `RATINGS.split.judge_holdout` sets aside,
        where RATINGS is the task with rated rows that `preferences.TASK.ratings` names; the model
        folder `preferences.TASK.judge`; the params `preferences.TASK`, `runtime` and `TASK.judge`
Writes  models/TASK/judge                     the model, for transformers' `from_pretrained`
        data/preferences/TASK/judge.parquet   the training pairs
        reports/details/judge/TASK.json       pair accuracy, numbers of steps and training pairs
        reports/plots/judge/TASK.csv          the losses by step

A generator that was aligned with a reward model has also learned that model's mistakes. If a judge
that shares neither texts nor ratings with the reward model measures a smaller gain than the reward
model does, the difference indicates reward hacking (Gao et al., Scaling Laws for Reward Model
Overoptimization, ICML 2023). Validation pairs are formed from a tenth of the rows, by hashed id.

    tandem judge generation
"""

from pathlib import Path

from pydantic import Field

from tandem.core import params
from tandem.core.determinism import generator
from tandem.core.errors import ParamsError
from tandem.core.paths import JUDGE, PARAMS, split
from tandem.core.rows import hash_sample
from tandem.core.training_params import TrainingParams
from tandem.preferences.params import PairFilter

VALIDATION = 10
"""The number of validation rows is the number of the judge's rows divided by this constant."""


class Params(TrainingParams):
    """How the judge is trained; `max_rows` and `max_validation_rows` count pairs."""

    pairs: PairFilter
    """Which texts form a preference pair."""
    rounds: int = Field(ge=1)
    """Number of times that all training rows are shuffled and paired; more rounds yield more pairs.
    Repeated pairs are dropped."""


def main(task: str) -> str:
    """Train the judge of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.preferences.pairs import form_pairs, preference_of, rated_rows
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.reward_training import train_reward_model

    runtime = params.project().runtime
    preference = preference_of(task)
    stage_params = params.load(Params, task, "judge")
    if not (split(preference.ratings) / f"{JUDGE}.parquet").exists():
        raise ParamsError(
            f"{PARAMS}: {preference.ratings}.split.judge_holdout sets no rows aside, but the judge "
            "needs them for training"
        )

    # Validation pairs are formed from the first rows, training pairs from the remaining rows.
    rows = hash_sample(rated_rows(preference.ratings, JUDGE), None)
    held_out = len(rows) // VALIDATION
    stream = generator(runtime, preference.ratings, "pairs", JUDGE)
    validation = form_pairs(
        rows[:held_out], stage_params.pairs, stage_params.max_validation_rows, stream
    )
    rounds = [
        form_pairs(rows[held_out:], stage_params.pairs, None, stream)
        for _ in range(stage_params.rounds)
    ]
    pairs = list({pair.id: pair for pairs in rounds for pair in pairs}.values())

    make_torch_deterministic(runtime)
    model = RewardModel.initialize(Path(preference.judge), None)
    return train_reward_model(
        "judge", task, model, pairs[: stage_params.max_rows], validation, stage_params, runtime
    )
