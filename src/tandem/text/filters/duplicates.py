"""Drop rows whose texts were seen before, and texts that were given two answers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import Field

from tandem.core.errors import ParamsError
from tandem.core.rows import Row, Span
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.normalize import dedup_key


class Params(FilterParams):
    """Which fields are the answer to a text, if any: `[label]`, or `[label, spans]`."""

    answer: list[str] = Field(
        default=[], description="fields in which rows with the same text must not differ"
    )


def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """`duplicate`, `conflict` or None.

    All rows of a text whose answers differ are in conflict, since nobody can say which is right;
    of other rows alike, the first is kept.

    Raises:
        ParamsError: `answer` names a field that the task's rows do not have.
    """
    known = task.row.__dataclass_fields__
    for field in params.answer:
        if field not in known:
            raise ParamsError(
                f"duplicates: rows of {task.name} have no field {field!r}, only {', '.join(known)}"
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
    """The value of an answer; spans of texts alike may stand elsewhere, so their words count."""
    value = getattr(row, field)
    if isinstance(value, tuple) and all(isinstance(part, Span) for part in value):
        return [(span.label, dedup_key(row.text[span.start : span.end])) for span in value]
    return value
