"""Fit a second judge of texts, to other people's ratings of other texts than the reward model's.

Reads   data/split/RATINGS/judge.parquet, which `RATINGS.split.judge_holdout` sets aside, RATINGS being the
        task with rated rows that `preferences.TASK` names; the model folder `judge` that it names;
        the params `runtime` and `TASK.judge`
Writes  models/TASK/judge                     what `from_pretrained` of Hugging Face reads
        data/preferences/TASK/judge.parquet   the training pairs
        reports/metrics/judge/TASK.json       pair accuracy on validation pairs, steps, pairs
        reports/plots/judge/TASK.csv          the loss curve

A generator that was aligned to a reward model has learned what that model likes, its mistakes
too. Where a judge that shares neither texts nor ratings with it sees less of a gain, the rest was
reward hacking (Gao et al., Scaling Laws for Reward Model Overoptimization, ICML 2023). Its own
validation pairs are of the set-aside rows too: a tenth, the first in hashed order.

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
"""One in so many of the set-aside rows."""


class Params(TrainingParams):
    """How the judge is fitted; `max_rows` and `max_validation_rows` count pairs."""

    pairs: PairFilter
    """Which texts count as preferred to which."""
    rounds: int = Field(ge=1)
    """How often each text is paired anew: the rows set aside are few."""


def main(task: str) -> str:
    """Fit the judge of one task."""
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.preferences.pairs import form_pairs, preference_of, rated_rows
    from tandem.preferences.reward_model import RewardModel
    from tandem.preferences.reward_training import train_reward_model

    runtime = params.project().runtime
    preference = preference_of(task)
    training = params.load(Params, task, "judge")
    if not (split(preference.ratings) / f"{JUDGE}.parquet").exists():
        raise ParamsError(
            f"{PARAMS}: {preference.ratings}.split.judge_holdout sets nothing aside for it"
        )
    rows = hash_sample(rated_rows(preference.ratings, JUDGE), None)
    held_out = len(rows) // VALIDATION
    stream = generator(runtime, preference.ratings, "pairs", JUDGE)
    validation = form_pairs(rows[:held_out], training.pairs, training.max_validation_rows, stream)
    rounds = [
        form_pairs(rows[held_out:], training.pairs, None, stream) for _ in range(training.rounds)
    ]
    pairs = list({pair.id: pair for pairs in rounds for pair in pairs}.values())

    make_torch_deterministic(runtime)
    model = RewardModel.start(Path(preference.judge), None)
    return train_reward_model(
        "judge", task, model, pairs[: training.max_rows], validation, training, runtime
    )
