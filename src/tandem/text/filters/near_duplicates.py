"""Drop each row whose text fields are near-duplicates of those of an earlier row that was kept."""

from collections.abc import Iterator, Sequence

from tandem.core.rows import Row
from tandem.core.task import BaseTask
from tandem.text.filters import FilterParams
from tandem.text.minhash import MinHashIndex, NearDuplicates, signatures
from tandem.text.normalize import dedup_key


class Params(NearDuplicates, FilterParams):
    """Defines when two rows are near-duplicates.

    The text fields of each row are joined before rows are compared.
    """


def drop_reasons(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]:
    """Yield `near_duplicate` or None for each row."""
    keys = [dedup_key(" ".join(getattr(row, field) for field in task.text_fields)) for row in rows]
    index = MinHashIndex(params)
    for row, key, signature in zip(rows, keys, signatures(keys, params), strict=True):
        if index.query(key, signature):
            yield "near_duplicate"
        else:
            index.add(row.id, key, signature)
            yield None
