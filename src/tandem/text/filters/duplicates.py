"""Drop rows with duplicate texts: all but the first, or all of them if their answers differ."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import Field

from tandem.core.errors import ParamsError
from tandem.core.rows import Row, Span
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.normalize import dedup_key


class Params(FilterParams):
    """The fields that form the answer (annotation) for a text, such as `[label, spans]`."""

    answer: list[str] = Field(default=[])
    """Fields that form the answer (annotation) for a text. Rows with the same text but different
    answers are all dropped."""


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `duplicate`, `conflict` or None for each row.

    Rows with the same text but different answers are all dropped as `conflict`, because the right
    answer is not known. Of rows with the same text and the same answer, only the first is kept.

    Raises:
        ParamsError: `answer` names a field that the task's rows do not have.
    """
    fields = task.row.__dataclass_fields__
    for field in params.answer:
        if field not in fields:
            raise ParamsError(
                f"duplicates: rows of {task.name} have no field {field!r}, only {', '.join(fields)}"
            )
    keys = [tuple(dedup_key(getattr(row, field)) for field in task.text_fields) for row in rows]
    answers: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row, key in zip(rows, keys, strict=True):
        answers[key].add(repr([_answer(row, field) for field in params.answer]))
    seen: set[tuple[str, ...]] = set()
    for key in keys:
        yield "conflict" if len(answers[key]) > 1 else "duplicate" if key in seen else None
        seen.add(key)


def _answer(row: Row, field: str) -> object:
    """Return the value of an answer field; for spans, return their labels and texts.

    Positions of spans are ignored, because texts with the same `dedup_key` may differ in spacing.
    """
    value = getattr(row, field)
    if isinstance(value, tuple) and all(isinstance(part, Span) for part in value):
        return [(span.label, dedup_key(row.text[span.start : span.end])) for span in value]
    return value
