"""Train a reward model on preference pairs, and write the model, its metrics and the pairs."""

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
    stage: str,
    task_name: str,
    model: RewardModel,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    training: TrainingParams,
    runtime: Runtime,
) -> str:
    """Train `model` on `pairs`, with early stopping on `validation`.

    `stage` is the name of the stage, and also of the model and the table of pairs that it writes.

    Returns:
        A summary line with the number of steps and pairs, and the accuracy.
    """
    history = fit(
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
    results: dict[str, Any] = {
        "pairs": len(pairs),
        "validation": pair_accuracies(validation, chosen, rejected, runtime),
    }
    write_fitted(stage, task_name, stage, model, history, results)
    with io.atomic_outputs(paths.preferences(task_name, stage)) as (partial,):
        write_rows(partial, pairs, Pair)
    accuracy = wording.score("pair_accuracy", results["validation"]["pair_accuracy"])
    return (
        f"{history[-1]['step']:,} steps on {wording.counted(len(pairs), 'pair')}, {accuracy} on "
        f"{wording.counted(len(validation), 'validation pair')}; "
        f"written to {paths.model(task_name, stage)}"
    )
