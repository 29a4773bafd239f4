"""Resolve the target of a query: a stage, an artifact, a metric or a row of the summary.

train@sentiment                                    a stage of dvc.yaml
models/sentiment/base                              an artifact, or a file or folder inside it
reports/metrics/intent/base.json#accuracy          a main score
reports/details/evaluate/intent-base.json#accuracy.low  a value in a detail file
reports/summary.json#intent/base/accuracy          a row of the summary: TASK/VARIANT/METRIC
reports/summary.json#12                            the row with the zero-based index 12
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.core import io, params, paths
from tandem.core.errors import LineageError
from tandem.lineage.graph import Graph
from tandem.report import scores

SUMMARY = "reports/summary.json"


@dataclass(frozen=True)
class Target:
    """The target of a query: the stages that produced it and, for a number, its value."""

    name: str
    stages: Sequence[str]
    """The stages that wrote the target, in topological order."""
    value: Any = None
    copied_by: Sequence[str] = ()
    """Stages that only copied the number, such as `report` for a row of the summary."""


def find(name: str, graph: Graph, root: Path = Path()) -> Target:
    """The target called `name`.

    Raises:
        LineageError: the records do not contain `name`; the message suggests the closest name.
    """
    path, _, key = name.partition("#")
    path = path.rstrip("/")
    if path == SUMMARY and key:
        return _row(name, key, graph, root)
    if path in graph.records and not key:
        return Target(name, [path])
    producers = graph.producers_of(path)
    if not producers or (key and len(producers) > 1):
        names = [*graph.records, *graph.producers]
        raise LineageError(
            f"the records contain no stage or output {path!r}.{nearest(path, names)}"
        )
    return Target(name, producers, _value(root / path, key) if key else None)


def nearest(name: str, names: Sequence[str]) -> str:
    """A sentence that suggests the closest of `names`; empty if none is close."""
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def _value(path: Path, key: str) -> Any:
    """The value in a JSON file at a dotted key, whose parts may themselves contain dots."""
    content: Any = _read(path)
    content = io.unwrap_details(content) or content
    rest = key
    while rest:
        keys = list(content) if isinstance(content, dict) else []
        matches = [k for k in keys if rest == k or rest.startswith(f"{k}.")]
        if not matches:
            raise LineageError(f"{path} has no key {key!r}.{nearest(rest, keys)}")
        longest = max(matches, key=len)
        content, rest = content[longest], rest[len(longest) + 1 :]
    return content


def _read(path: Path) -> Any:
    """The content of a JSON file."""
    try:
        return io.read_json(path)
    except (OSError, ValueError):
        raise LineageError(f"{path} is not a readable JSON file, so it has no keys") from None


def _row(name: str, key: str, graph: Graph, root: Path) -> Target:
    """The target for a row of the summary, with the stages that wrote the score's detail file."""
    rows = _read(root / SUMMARY)
    try:
        names = [f"{row['task']}/{row['variant']}/{row['metric']}" for row in rows]
    except (KeyError, TypeError):
        raise LineageError(f"{SUMMARY} is not a list of rows: restore it from Git") from None
    if key.isdecimal() and int(key) < len(rows):
        key = names[int(key)]
    if key not in names:
        raise LineageError(f"{SUMMARY} contains no row {key!r}.{nearest(key, names)}")
    project = params.project(params.read(root / paths.PARAMS))
    for score in scores.gather(scores.load(root / paths.DETAILS, project), project):
        (row,) = scores.summary([score])
        if f"{row['task']}/{row['variant']}/{row['metric']}" == key:
            producers = graph.producers_of(str(source(score, graph)))
            return Target(name, producers, rows[names.index(key)], graph.producers_of(SUMMARY))
    raise LineageError(
        f"{SUMMARY} contains the row {key!r}, but its score is in no detail file: run `dvc repro`"
    )


def source(score: scores.Score, graph: Graph) -> Path:
    """The detail file of a score: TASK-VARIANT.json if a stage wrote that file, else TASK.json."""
    path = paths.details(score.stage, f"{score.task}-{score.variant}")
    return path if str(path) in graph.producers else paths.details(score.stage, score.task)
