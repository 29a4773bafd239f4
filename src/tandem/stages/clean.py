"""Clean a task's rows.

Texts are repaired, personal data is masked, and rows that a filter rejects are dropped.

Reads   data/raw/TASK/rows.parquet; the params `runtime` and `TASK.clean`
Writes  data/clean/TASK/rows.parquet     the rows that are kept, in order
        data/clean/TASK/dropped.parquet  the dropped rows, each with the reason
        reports/details/clean/TASK.json  counts: kept rows, dropped rows by reason, repairs, masks

    tandem clean sentiment

`{placeholders}` and spans are never changed. Filters run in the order given in params.yaml, each on
the rows that the filters before it kept; `tandem.text.filters` describes how to write a filter.
"""

from collections import Counter

from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.errors import DataError
from tandem.core.progress import track
from tandem.core.rows import Dropped, read_rows, write_rows
from tandem.text.cleaning import CleanParams, apply_filters, clean_row, summarize

Params = CleanParams


def main(task: str) -> str:
    """Clean the rows of one task.

    Raises:
        DataError: no row is left.
    """
    stage_params, spec = params.load(Params, task, "clean"), tasks.load(task)
    source = paths.raw(task) / paths.ROWS
    raw = read_rows(source, spec.row)
    counts: Counter[str] = Counter()
    cleaned = [clean_row(row, spec, stage_params, counts) for row in track(raw, "clean")]
    kept, dropped = apply_filters(cleaned, spec, stage_params.filters)
    if not kept:
        if not dropped:
            raise DataError(f"{source} has no rows: check {task}.fetch")
        [(reason, _)] = Counter(item.reason for item in dropped).most_common(1)
        raise DataError(
            f"no rows of {source} are left after cleaning; most were dropped as {reason}: "
            f"relax {task}.clean.filters"
        )
    with io.atomic_outputs(paths.clean(task), paths.details("clean", task)) as (folder, metrics):
        write_rows(folder / paths.ROWS, kept, spec.row)
        write_rows(folder / paths.DROPPED, dropped, Dropped)
        content = summarize(raw, kept, dropped, counts)
        io.write_details(metrics, content)
    reasons = wording.most_frequent(content["dropped"])
    return (
        f"{len(kept):,} of {wording.counted(len(raw), 'row')} kept"
        f"{f', dropped: {reasons}' if reasons else ''}; written to {paths.clean(task)}"
    )
