"""The scores of a published model, from the detail files that its evaluations wrote."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tandem.core import io, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest
from tandem.lineage.graph import Graph

Metric = dict[str, Any]


def scores(path: str, graph: Graph, root: Path) -> Iterator[Metric]:
    """CycloneDX performance metrics of the model in the folder `path`, with their intervals.

    Where a file compares variants, by their names, only the model's own part is taken.

    Raises:
        LineageError: a detail file is missing, or is not the one that its record has.
    """
    variant = PurePosixPath(path).name
    for stage in graph.consumers_of(path):
        for out, digest in graph.records[stage].outputs.items():
            if stage.startswith("evaluate") and PurePosixPath(out).is_relative_to(paths.DETAILS):
                content = _read(root, out, digest)
                own = content.get(variant)
                if isinstance(own, Mapping):
                    yield from _metrics(own, sliced=False)
                else:
                    yield from _metrics(content, sliced=True)


def _metrics(found: Mapping[str, Any], sliced: bool) -> Iterator[Metric]:
    """`accuracy/amazon` is accuracy of a slice, `win_rate/vader` a metric of its own."""
    for name, score in sorted(found.items()):
        if not isinstance(score, Mapping) or not isinstance(score.get("value"), int | float):
            continue
        kind, _, piece = name.partition("/") if sliced else (name, "", "")
        metric: Metric = {"type": kind, "value": str(score["value"])}
        if piece:
            metric["slice"] = piece
        low, high = score.get("low"), score.get("high")
        if low is not None and high is not None:
            metric["confidenceInterval"] = {"lowerBound": str(low), "upperBound": str(high)}
        yield metric


def _read(root: Path, path: str, digest: Digest) -> Mapping[str, Any]:
    """The metrics in a detail file, which must be the very one of the record."""
    try:
        content = (root / path).read_bytes()
    except OSError:
        raise LineageError(f"{path} is missing: restore it from Git") from None
    if hashlib.sha256(content).hexdigest() != digest.sha256:
        raise LineageError(f"{path} is not what its record says: run `tandem audit`")
    metrics: Mapping[str, Any] = io.unwrap_details(json.loads(content))
    return metrics
