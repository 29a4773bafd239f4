"""Majority: predict the most frequent label of the training rows, and no spans."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "most frequent label"


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Predict the most frequent label for every row; ties go to the alphabetically first label."""
    counts = Counter(row.label for row in train)
    label = min(counts, key=lambda name: (-counts[name], name))
    spans: dict[str, Any] = {"spans": []} if hasattr(test[0], "spans") else {}
    return [{"label": label} | spans for _ in test]
