"""Drop rows with a text field that is too short or too long."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams


class Params(FilterParams):
    """Inclusive bounds on the length of each text field; words are separated by whitespace."""

    min_chars: int = Field(default=1, ge=1)
    """Minimum number of characters."""
    max_chars: int
    """Maximum number of characters."""
    min_words: int = Field(default=1, ge=1)
    """Minimum number of words."""
    max_words: int
    """Maximum number of words."""


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `empty`, `too_short`, `too_long` or None for each row."""
    for row in rows:
        reasons = (_drop_reason(getattr(row, field), params) for field in task.text_fields)
        yield next((reason for reason in reasons if reason), None)


def _drop_reason(text: str, params: Params) -> str | None:
    chars, words = len(text), len(text.split())
    if not words:
        return "empty"
    if chars < params.min_chars or words < params.min_words:
        return "too_short"
    if chars > params.max_chars or words > params.max_words:
        return "too_long"
    return None
