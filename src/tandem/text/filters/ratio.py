"""Drop pairs whose sides differ too much in length: one of them says more than the other."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams


class Params(FilterParams):
    """The bound, and from which length on it holds; short strings vary freely (OK, In Ordnung)."""

    max_ratio: float = Field(gt=1, description="characters of the longer side by the shorter's")
    min_chars: int = Field(ge=0, description="a pair is judged if its longer side has as many")


def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """`length_ratio` or None, over the task's text fields."""
    for row in rows:
        lengths = [len(getattr(row, field)) for field in task.text_fields]
        short, long = min(lengths), max(lengths)
        odd = long >= params.min_chars and long > params.max_ratio * short
        yield "length_ratio" if odd else None
