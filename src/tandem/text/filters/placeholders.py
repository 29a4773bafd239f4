"""Drop pairs whose sides do not hold the same {placeholders}: a model must learn to keep them."""

from collections.abc import Iterator, Sequence

from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER, BaseTask
from tandem.text.filters import FilterParams


class Params(FilterParams):
    """Nothing to set."""


def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """`placeholders` or None; their order is free, their number is not."""
    for row in rows:
        held = [sorted(PLACEHOLDER.findall(getattr(row, field))) for field in task.text_fields]
        yield "placeholders" if any(other != held[0] for other in held[1:]) else None
