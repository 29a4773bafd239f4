"""Drop pairs of texts whose lengths differ too much for one to be a translation of the other."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams


class Params(FilterParams):
    """The maximum length ratio, and the text length from which it applies.

    The length ratios of short texts vary widely: `OK` may be translated as `In Ordnung`.
    """

    max_ratio: float = Field(gt=1)
    """Maximum ratio of the length of the longer text to that of the shorter text, in characters."""
    min_chars: int = Field(ge=0)
    """Pairs in which both texts have fewer characters than this are kept."""


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `length_ratio` or None for each row, depending on the lengths of its text fields."""
    for row in rows:
        lengths = [len(getattr(row, field)) for field in task.text_fields]
        short, long = min(lengths), max(lengths)
        differs = long >= params.min_chars and long > params.max_ratio * short
        yield "length_ratio" if differs else None
