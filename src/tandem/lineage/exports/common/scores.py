"""The scores of a published model, from the detail files of its evaluations."""

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

    If a detail file compares several variants, only the part about this model is used.

    Raises:
        LineageError: a detail file is missing, or differs from its record.
    """
    variant = PurePosixPath(path).name
    for stage in graph.consumers_of(path):
        for out, digest in graph.records[stage].outputs.items():
            if stage.startswith("evaluate") and PurePosixPath(out).is_relative_to(paths.DETAILS):
                content = _read(root, out, digest)
                part = content.get(variant)
                if isinstance(part, Mapping):
                    yield from _metrics(part, sliced=False)
                else:
                    yield from _metrics(content, sliced=True)


def _metrics(content: Mapping[str, Any], sliced: bool) -> Iterator[Metric]:
    """The scores in a detail file.

    If `sliced` is true, `accuracy/movie` means the metric `accuracy` on the slice `movie`.
    Otherwise, a name with a slash, such as `win_rate/vader`, is the name of a metric.
    """
    for name, score in sorted(content.items()):
        if not isinstance(score, Mapping) or not isinstance(score.get("value"), int | float):
            continue
        metric_type, _, slice_name = name.partition("/") if sliced else (name, "", "")
        metric: Metric = {"type": metric_type, "value": str(score["value"])}
        if slice_name:
            metric["slice"] = slice_name
        low, high = score.get("low"), score.get("high")
        if low is not None and high is not None:
            metric["confidenceInterval"] = {"lowerBound": str(low), "upperBound": str(high)}
        yield metric


def _read(root: Path, path: str, digest: Digest) -> Mapping[str, Any]:
    """The content of a detail file, which must have the recorded digest."""
    try:
        content = (root / path).read_bytes()
    except OSError:
        raise LineageError(f"{path} is missing: restore it from Git") from None
    if hashlib.sha256(content).hexdigest() != digest.sha256:
        raise LineageError(f"{path} differs from its record: run `tandem audit`")
    metrics: Mapping[str, Any] = io.unwrap_details(json.loads(content))
    return metrics
