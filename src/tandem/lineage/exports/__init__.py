"""Formats that other tools read, one a file, all from the same graph of records.

A format has `export(graph, root, place)`, which gives file name → JSON value or text; `root` is the
project's folder and `place` the one that the files will lie in. Where that must be a certain one,
the format names it in `PLACE`. The libraries that check these formats are used by tests alone.
"""
