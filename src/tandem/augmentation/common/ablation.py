"""Train a model without augmentation and one model per augmentation; compare their scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from tandem import metrics
from tandem.augmentation.common.derive import AugmentParams, derive
from tandem.core import wording
from tandem.core.params import AugmentationModels, Runtime
from tandem.core.progress import track
from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.modeling.params import TrainParams
from tandem.modeling.training.train_model import train_model

NONE = "none"
"""Name of the model without derived rows, with which the other models are compared."""


def derive_each(
    originals: Sequence[Row],
    held_out: set[str],
    task: BaseTask,
    operations: Sequence[Any],
    fraction: float,
    models: AugmentationModels,
    runtime: Runtime,
) -> dict[str, list[Row]]:
    """Return the derived rows for each model of the ablation, by model name.

    The model `none` gets no derived rows; every other model gets rows derived by one augmentation.

    Args:
        originals: The training rows.
        held_out: Keys (`split_key_of`) of held-out texts; derived rows with these keys are dropped.
        task: The task of the rows.
        operations: The augmentations.
        fraction: The fraction of the training rows that get a derived row.
        models: The model folders that augmentations use.
        runtime: Seed and device.
    """
    derived: dict[str, list[Row]] = {NONE: []}
    for operation in operations:
        single = AugmentParams(operations=[operation], fraction=fraction)
        derived[operation.kind], _ = derive(originals, held_out, task, single, models, runtime)
    return derived


def compare(
    task: BaseTask,
    originals: Sequence[Row],
    derived: Mapping[str, Sequence[Row]],
    monitored: Sequence[Row],
    scored: Sequence[Row],
    params: TrainParams,
    batch_size: int,
    runtime: Runtime,
) -> dict[str, dict[str, Any]]:
    """Train and score each model of the ablation.

    Args:
        task: The task of the rows.
        originals: The training rows shared by all models.
        derived: Model name → its additional training rows; the first name is `NONE`.
        monitored: The rows on which the validation loss is measured.
        scored: The rows on which the models are scored.
        params: Training parameters.
        batch_size: Number of rows per batch in prediction.
        runtime: Seed and device.

    Returns:
        Model name → the number of derived rows, the scores, and, as `METRIC/difference`, the
        difference of each score from that of the model `NONE`, with a confidence interval from a
        paired bootstrap.
    """
    results: dict[str, dict[str, Any]] = {}
    reference: dict[str, Any] = {}
    for name, added in track(derived.items(), "operations", unit="models"):
        model, _ = train_model(task, [*originals, *added], monitored, params, runtime)
        predictions = model.predict(scored, batch_size)
        scores, tables = metrics.score(task, scored, predictions, runtime)
        reference = reference or tables
        results[name] = {"derived": len(added)} | {key: scores[key] for key in task.metrics}
        if name != NONE:
            differences = metrics.difference(task, scored, tables, reference, runtime)
            results[name] |= {f"{key}/difference": value for key, value in differences.items()}
    return results


def in_words(results: Mapping[str, Mapping[str, Any]], metric: str) -> str:
    """Describe the score without augmentation, and how much the other scores differ from it."""
    gains = {name: values.get(f"{metric}/difference") for name, values in results.items()}
    listed = ", ".join(f"{name} {gain['value']:+.3f}" for name, gain in gains.items() if gain)
    score = wording.score(metric, results[NONE][metric])
    return f"{score} without augmentation{f'; differences: {listed}' if listed else ''}"
