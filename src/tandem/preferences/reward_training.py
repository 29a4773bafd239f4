"""Fit a judge of texts to preference pairs, and write it with its figures and its pairs."""

from collections.abc import Sequence
from typing import Any

from tandem.core import io, paths, wording
from tandem.core.params import Runtime
from tandem.core.rows import write_rows
from tandem.core.training_params import TrainingParams
from tandem.modeling.training.artifacts import write_fitted
from tandem.modeling.training.trainer import fit
from tandem.preferences.intervals import pair_accuracies
from tandem.preferences.pairs import Pair
from tandem.preferences.reward_model import RewardModel


def train_reward_model(
    judge: str,
    task: str,
    model: RewardModel,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    training: TrainingParams,
    runtime: Runtime,
) -> str:
    """Fit `model` to `pairs`, stop by `validation`; `judge` names the stage and what it writes.

    Returns a line with the figures.
    """
    curve = fit(
        model.network,
        model.loss,
        model.encode(pairs, training.max_length),
        model.encode(validation, training.max_length),
        model.collate,
        training,
        runtime,
    )
    chosen = model.score([pair.chosen for pair in validation])
    rejected = model.score([pair.rejected for pair in validation])
    found: dict[str, Any] = {
        "pairs": len(pairs),
        "validation": pair_accuracies(validation, chosen, rejected, runtime),
    }
    write_fitted(judge, task, judge, model, curve, found)
    with io.atomic_outputs(paths.preferences(task, judge)) as (partial,):
        write_rows(partial, pairs, Pair)
    accuracy = wording.score("pair_accuracy", found["validation"]["pair_accuracy"])
    return (
        f"{curve[-1]['step']:,} steps on {wording.counted(len(pairs), 'pair')}, {accuracy} on "
        f"{wording.counted(len(validation), 'validation pair')}; "
        f"written to {paths.model(task, judge)}"
    )
