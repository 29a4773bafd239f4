"""Drop pairs of texts whose {placeholders} differ, so that a model learns to copy placeholders."""

from collections.abc import Iterator, Sequence

from tandem.core.rows import Row
from tandem.core.task import PLACEHOLDER, BaseTask
from tandem.text.filters import FilterParams


class Params(FilterParams):
    """No params."""


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `placeholders` or None for each row; the order of placeholders is ignored."""
    for row in rows:
        first, *others = (
            sorted(PLACEHOLDER.findall(getattr(row, field))) for field in task.text_fields
        )
        yield "placeholders" if any(names != first for names in others) else None
