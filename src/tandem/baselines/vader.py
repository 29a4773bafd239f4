"""VADER: a lexicon of rated words and five rules (Hutto & Gilbert 2014); nothing is learnt."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from tandem.baselines import BaselineContext
from tandem.core.task import BaseTask

LABEL = "lexicon and rules"

BORDER = 0.05  # where its authors put the ends of neutral, on a scale from -1 to 1


def predict(
    task: BaseTask, train: Sequence[Any], test: Sequence[Any], settings: BaselineContext
) -> list[dict[str, Any]]:
    """The first label of `task.labels` below the border, the last above it, else the middle one."""
    negative, neutral, positive = task.labels
    scores = [compound(row.text) for row in test]
    return [
        {"label": positive if score >= BORDER else negative if score <= -BORDER else neutral}
        for score in scores
    ]


def compound(text: str) -> float:
    """VADER's compound score of a text, -1 to 1; also a reward model's baseline."""
    return float(_analyser().polarity_scores(text)["compound"])


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
