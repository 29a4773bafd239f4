"""Split a task's rows into train, validation and test.

Clean rows are split by group, and no text occurs in two splits.

Reads   data/raw/TASK/rows.parquet, data/clean/TASK/rows.parquet; the params `runtime`
        and `TASK.split`
Writes  data/split/TASK/{train,validation,test}.parquet  in the order of the clean rows
        data/split/TASK/judge.parquet                    rows held out for the judge, if any
        data/split/TASK/dropped.parquet                  rows that would leak, with the reason
        reports/details/split/TASK.json                  counts, fractions by stratum, leak check

    tandem split sentiment

The split of a group depends only on the raw rows and on params, not on which rows cleaning kept.
Tasks with the same source have the same raw rows, so a test row of one task is never a training row
of another. If a task uses only some domains of the source, the rows of these domains are split in
the same way, provided that each stratum belongs to one domain, as in sentiment and generation
tasks. Before anything is written, independent code verifies that no text is in two splits.
"""

from tandem.core import io, params, paths, wording
from tandem.core import task as tasks
from tandem.core.rows import Dropped, read_rows, write_rows
from tandem.splitting.splits import SplitParams, split_rows, summarize


class Params(SplitParams):
    """The `split` section of a task; tasks with the same source need the same values."""


def main(task: str) -> str:
    """Split the rows of one task.

    Raises:
        DataError: a split is empty, or the leak check fails.
    """
    stage_params, spec = params.load(Params, task, "split"), tasks.load(task)
    raw = read_rows(paths.raw(task) / paths.ROWS, spec.row)
    clean = read_rows(paths.clean(task) / paths.ROWS, spec.row)
    splits = split_rows(raw, clean, spec, stage_params)
    summary = summarize(splits, spec)
    with io.atomic_outputs(paths.split(task), paths.details("split", task)) as (folder, metrics):
        for name, rows in splits.rows.items():
            write_rows(folder / f"{name}.parquet", rows, spec.row)
        write_rows(folder / paths.DROPPED, splits.dropped, Dropped)
        io.write_details(metrics, summary)
    sizes = ", ".join(f"{name} {number:,}" for name, number in summary["rows"].items())
    leaks = wording.counted(summary["leaks_removed"], "leak")
    return f"rows: {sizes}; {leaks} removed; written to {paths.split(task)}"
