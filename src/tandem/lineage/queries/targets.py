"""What a name means that someone asks about: a stage, an artifact, a metric, a row of the summary.

train@sentiment                                    a stage of dvc.yaml
models/sentiment/base                              an artifact, or a file or folder of one
reports/metrics/intent/base.json#accuracy          a main score
reports/details/evaluate/intent-base.json#accuracy.low        a value in a detail file
reports/summary.json#intent/base/accuracy          a row of the summary: TASK/VARIANT/METRIC
reports/summary.json#12                            the same by its place, from 0
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
    """What was asked about, the stages that made it, and, for a number, the number."""

    name: str
    stages: Sequence[str]
    """The last stages before it, in the order of the flow; upstream of the first is its source."""
    value: Any = None
    passing: Sequence[str] = ()
    """Stages that only carried the number on: the report, for a row of the summary."""


def find(name: str, graph: Graph, root: Path = Path()) -> Target:
    """The target of this name.

    Raises:
        LineageError: no record knows it; the nearest known name is offered.
    """
    path, _, key = name.partition("#")
    path = path.rstrip("/")
    if path == SUMMARY and key:
        return _row(name, key, graph, root)
    if path in graph.records and not key:
        return Target(name, [path])
    makers = graph.producers_of(path)
    if not makers or (key and len(makers) > 1):
        known = [*graph.records, *graph.producers]
        raise LineageError(f"no stage has recorded {path!r}.{nearest(path, known)}")
    return Target(name, makers, _value(root / path, key) if key else None)


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the known name that is most like `name`, if one is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _value(path: Path, key: str) -> Any:
    """What stands in a JSON file under keys with dots; keys may hold dots and slashes too."""
    content: Any = _read(path)
    content = io.unwrap_details(content) or content
    rest = key
    while rest:
        known = list(content) if isinstance(content, dict) else []
        found = [k for k in known if rest == k or rest.startswith(f"{k}.")]
        if not found:
            raise LineageError(f"{path} has nothing at {key!r}.{nearest(rest, known)}")
        longest = max(found, key=len)
        content, rest = content[longest], rest[len(longest) + 1 :]
    return content


def _read(path: Path) -> Any:
    """The value in a JSON file."""
    try:
        return io.read_json(path)
    except (OSError, ValueError):
        raise LineageError(f"{path} is not JSON, or is broken: no number is in it") from None


def _row(name: str, key: str, graph: Graph, root: Path) -> Target:
    """A row of the summary, traced past the report to the one detail file that it is in."""
    rows = _read(root / SUMMARY)
    try:
        names = [f"{row['task']}/{row['variant']}/{row['metric']}" for row in rows]
    except (KeyError, TypeError):
        raise LineageError(f"{SUMMARY} is no list of rows: restore it from Git") from None
    if key.isdecimal() and int(key) < len(rows):
        key = names[int(key)]
    if key not in names:
        raise LineageError(f"{SUMMARY} has no row {key!r}.{nearest(key, names)}")
    project = params.project(params.read(root / paths.PARAMS))
    for figure in scores.gather(scores.load(root / paths.DETAILS, project), project):
        (found,) = scores.summary([figure])
        if f"{found['task']}/{found['variant']}/{found['metric']}" == key:
            makers = graph.producers_of(str(source(figure, graph)))
            return Target(name, makers, rows[names.index(key)], graph.producers_of(SUMMARY))
    raise LineageError(f"{SUMMARY} has the row {key!r}, but no detail file does: run `dvc repro`")


def source(figure: scores.Score, graph: Graph) -> Path:
    """The detail file that a score is in, named after its task, maybe with its variant."""
    own = paths.details(figure.stage, f"{figure.task}-{figure.variant}")
    return own if str(own) in graph.producers else paths.details(figure.stage, figure.task)
