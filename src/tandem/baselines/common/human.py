"""Human agreement: compare each rating with the mean of the row's other ratings.

The resulting score shows how well a single rater agrees with the other raters, for comparison with
the models. Unlike a baseline, this module has no `predict`: each rating has its own reference, the
mean of the row's other ratings, so that no rater is compared with a mean that includes their own
rating.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tandem.core.task import BaseTask


def judgements(task: BaseTask, rows: Sequence[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return a reference and a prediction for each rating.

    The reference is a copy of the row whose label is derived from the mean of the row's other
    ratings; the prediction is the label derived from the rating itself. The returned lists are
    empty if no row has more than one rating, or if the task does not have exactly three labels:
    negative, neutral and positive. Ratings and means between -t and t count as neutral, where the
    threshold t is the smallest absolute mean rating among the rows that are not labeled neutral.
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
