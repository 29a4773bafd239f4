"""Drop rows whose texts are nearly those of an earlier row that is kept."""

from collections.abc import Iterator, Sequence

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.minhash import MinHashIndex, NearDuplicates, signatures
from tandem.text.normalize import dedup_key


class Params(NearDuplicates, FilterParams):
    """When two rows are nearly the same; all text fields are compared together."""


def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """`near_duplicate` or None."""
    forms = [dedup_key(" ".join(getattr(row, field) for field in task.text_fields)) for row in rows]
    index = MinHashIndex(params)
    for row, form, sketch in zip(rows, forms, signatures(forms, params), strict=True):
        if index.near(form, sketch):
            yield "near_duplicate"
        else:
            index.add(row.id, form, sketch)
            yield None
