"""Generation: write a text like those of the corpus, here a short film review.

An example row, from the ratings of vaderSentiment (`tandem.corpora.vader_ratings`):

    GenerationRow(
        id="movie/3", group="movie/3", domain="movie",
        text="Effective but too tepid biopic",
        ratings=(-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1),
    )

A user's own rows need `text` only; ratings, where they exist, are single human judgements from
-4 to 4, and the preferences that the generator is aligned with are formed from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tandem.core.rows import Row
from tandem.core.task import BaseTask, parse_row, rating_polarity


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRow(Row):
    """A text to learn to write, and, where known, how people rated it."""

    ratings: tuple[int, ...] = ()


class Task(BaseTask):
    """Causal language modelling, scored in bits per UTF-8 byte."""

    name: ClassVar[str] = "generation"
    row: ClassVar[type[Row]] = GenerationRow
    family: ClassVar[str] = "causal"
    metrics: ClassVar[tuple[str, ...]] = ("bits_per_byte",)
    baselines: ClassVar[tuple[str, ...]] = ("ngram", "unadapted")

    def parse(self, raw: Mapping[str, Any]) -> GenerationRow:
        """One raw record as a row."""
        return parse_row(GenerationRow, raw)

    def stratum(self, row: Row) -> str:
        """Domain and tone, so that each split has the same mix of both; see `tone`."""
        return f"{row.domain}/{rating_polarity(cast(GenerationRow, row).ratings)}"
