"""Filters of the clean stage: one a file, found by name, run in the order of params.

A filter has `Params(Plugin)` and one function:

    def judge(rows: Sequence[Row], task: BaseTask, params: Params) -> Iterator[str | None]

It sees the rows that are left and says for each, in order, None to keep it or a reason to drop
it: a short name that is counted (the shape of datatrove's filters, over rows rather than one row,
so that duplicates are a filter like any other).
"""
