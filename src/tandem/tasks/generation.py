"""Generation of texts like those of a corpus, such as short film reviews.

An example row, from the ratings of vaderSentiment (`tandem.corpora.vader_ratings`):

    GenerationRow(
        id="movie/3", group="movie/3", domain="movie",
        text="Effective but too tepid biopic",
        ratings=(-1, 0, -1, 0, -1, -1, -1, -1, 0, -2, 1, 1, -1, -1, -1),
    )

Rows need a `text`. `ratings` are optional: individual human ratings from -4 to 4, from which the
preference pairs for alignment are formed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from tandem.core.rows import Row
from tandem.core.task import BaseTask, parse_row, rating_polarity


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRow(Row):
    """A training text, and its human ratings if there are any."""

    ratings: tuple[int, ...] = ()


class Task(BaseTask):
    """Causal language modeling, scored in bits per UTF-8 byte."""

    name: ClassVar[str] = "generation"
    row: ClassVar[type[Row]] = GenerationRow
    family: ClassVar[str] = "causal"
    metrics: ClassVar[tuple[str, ...]] = ("bits_per_byte",)
    baselines: ClassVar[tuple[str, ...]] = ("ngram", "unadapted")

    def parse(self, raw: Mapping[str, Any]) -> GenerationRow:
        """Parse a raw record."""
        return parse_row(GenerationRow, raw)

    def stratum(self, row: Row) -> str:
        """Return domain and polarity, so that both have the same distribution in all splits."""
        return f"{row.domain}/{rating_polarity(cast(GenerationRow, row).ratings)}"
