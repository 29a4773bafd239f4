"""Human: each rater compared with the mean of the other raters, an upper bound for rating models.

Unlike a baseline, it has no `predict`: each rating has its own reference, the mean of the row's
other ratings, so that no rater is compared with a mean that contains their own rating.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tandem.core.task import BaseTask


def judgements(task: BaseTask, rows: Sequence[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """One row per rating, labeled by the mean of the other ratings, and the label of each rating.

    Both are empty if the rows have no ratings, or if the task does not have exactly three labels:
    below, near and above zero. The threshold t is the smallest absolute mean rating of any row that
    is not labeled neutral; means between -t and t count as neutral.
    """
    rated = [row for row in rows if len(getattr(row, "ratings", ())) > 1]
    if not rated or len(task.labels) != 3:
        return [], []
    below, about, above = task.labels
    limits = [abs(_mean(row.ratings)) for row in rated if row.label != about]
    limit = min(limits, default=1.0)

    def label(mean: float) -> str:
        return above if mean >= limit else below if mean <= -limit else about

    references, predictions = [], []
    for row in rated:
        for index, rating in enumerate(row.ratings):
            others = row.ratings[:index] + row.ratings[index + 1 :]
            references.append(dataclasses.replace(row, label=label(_mean(others))))
            predictions.append({"label": label(rating)})
    return references, predictions


def _mean(ratings: Sequence[int]) -> float:
    return sum(ratings) / len(ratings)
