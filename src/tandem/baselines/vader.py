"""VADER: a sentiment lexicon and five rules (Hutto & Gilbert 2014); it is not trained."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "VADER, a lexicon with rules"

THRESHOLD = 0.05  # VADER's authors define compound scores between -0.05 and 0.05 as neutral


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], context: BaselineContext
) -> list[dict[str, Any]]:
    """Predict the first, middle or last of `task.labels` for low, medium or high scores."""
    negative, neutral, positive = task.labels
    scores = [compound(row.text) for row in test]
    return [
        {"label": positive if score >= THRESHOLD else negative if score <= -THRESHOLD else neutral}
        for score in scores
    ]


def compound(text: str) -> float:
    """VADER's compound score of a text, from -1 to 1; also used as a baseline for reward models."""
    return float(_analyzer().polarity_scores(text)["compound"])


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
