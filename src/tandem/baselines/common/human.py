"""Human: each rater against the mean of the others, the ceiling of what ratings can tell.

Not a baseline that predicts, hence the underscore: it has its own reference, so that no rater is
compared with a mean that holds his own rating.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tandem.core.task import BaseTask


def judgements(task: BaseTask, rows: Sequence[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """One row a rating, labelled by the mean of the row's others, and the rater's own label.

    Both empty if the rows have no ratings or the task's labels are not three: below, about and
    above zero. Where a label ends is taken from the rows: the least mean that is not neutral.
    """
    rated = [row for row in rows if len(getattr(row, "ratings", ())) > 1]
    if not rated or len(task.labels) != 3:
        return [], []
    below, about, above = task.labels
    ends = [abs(_mean(row.ratings)) for row in rated if row.label != about]
    border = min(ends, default=1.0)

    def label(mean: float) -> str:
        return above if mean >= border else below if mean <= -border else about

    truths, answers = [], []
    for row in rated:
        for at, rating in enumerate(row.ratings):
            others = row.ratings[:at] + row.ratings[at + 1 :]
            truths.append(dataclasses.replace(row, label=label(_mean(others))))
            answers.append({"label": label(rating)})
    return truths, answers


def _mean(ratings: Sequence[int]) -> float:
    return sum(ratings) / len(ratings)
