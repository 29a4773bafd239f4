"""Sentiment: classify a text as negative, neutral or positive.

An example row, from the ratings of vaderSentiment (`tandem.corpora.vader_ratings`):

    SentimentRow(
        id="movie/3", group="movie/3", domain="movie",
        text="Effective but too tepid biopic", label="negative",
        ratings=(-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1),
    )

Rows need a `text` and a `label`. `ratings` are optional: individual human ratings from -4 to 4, for
the human baseline and for preference pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tandem.core.errors import BadRow
from tandem.core.rows import Row
from tandem.core.task import BaseTask, parse_row, rating_polarity


@dataclass(frozen=True, slots=True, kw_only=True)
class SentimentRow(Row):
    """A text with its class, and its human ratings if there are any."""

    label: str
    ratings: tuple[int, ...] = ()


class Task(BaseTask):
    """Classification of a text into three classes."""

    name: ClassVar[str] = "sentiment"
    row: ClassVar[type[Row]] = SentimentRow
    family: ClassVar[str] = "classification"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    baselines: ClassVar[tuple[str, ...]] = ("majority", "tfidf", "vader")
    labels: ClassVar[tuple[str, ...]] = ("negative", "neutral", "positive")

    def parse(self, raw: Mapping[str, Any]) -> SentimentRow:
        """Parse a raw record; its label must be one of `labels`."""
        row = parse_row(SentimentRow, raw)
        if row.label not in self.labels:
            raise BadRow(
                "unknown_label", f"{row.label!r:.60} is not one of {', '.join(self.labels)}"
            )
        return row

    def stratum(self, row: Row) -> str:
        """Return domain and polarity, so that both have the same distribution in all splits.

        The polarity of a row without ratings is its label.
        """
        sentiment_row = cast(SentimentRow, row)
        if sentiment_row.ratings:
            return f"{row.domain}/{rating_polarity(sentiment_row.ratings)}"
        return f"{row.domain}/{sentiment_row.label}"
