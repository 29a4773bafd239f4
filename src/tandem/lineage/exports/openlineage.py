"""OpenLineage 2-0-2: events.jsonl, one COMPLETE event per stage, in topological order.

The specification requires a time for each event, but the records of stages contain no times. All
events therefore have the time of the last commit that changed reports/lineage, or 1970-01-01 if
there is no such commit. The UUID (version 5) of a run is computed from its record. Datasets are in
the namespace `tandem`; their names are paths, and their versions are SHA-256 digests.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem import __version__
from tandem.core import paths
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import TANDEM, canonical, run_id
from tandem.lineage.graph import Graph

SPEC = "https://openlineage.io/spec"
NAMESPACE = "tandem"
FACETS = {
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationJobFacet": "1-1-0",
    "EnvironmentVariablesRunFacet": "1-0-0",
    "ExecutionParametersRunFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "ProcessingEngineRunFacet": "1-1-1",
}
"""The versions of the facets, which are the same as in openlineage-python 1.54."""


def export(graph: Graph, root: Path, folder: Path) -> dict[str, Any]:
    """The content of events.jsonl: one line of JSON per stage."""
    time = external_refs.last_commit(root, paths.RECORDS).time
    events = [canonical(_event(record, time)) for record in graph.records.values()]
    return {"events.jsonl": "".join(f"{event}\n" for event in events)}


def _event(record: RunRecord, time: str) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": time,
        "producer": TANDEM,
        "schemaURL": f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": run_id(record), "facets": _run(record)},
        "job": {
            "namespace": NAMESPACE,
            "name": record.stage,
            "facets": {
                "documentation": _facet("DocumentationJobFacet", description=record.command),
                "jobType": _facet(
                    "JobTypeJobFacet", processingType="BATCH", integration="TANDEM", jobType="TASK"
                ),
            },
        },
        "inputs": [
            *(_dataset(path, digest.sha256) for path, digest in sorted(record.inputs.items())),
            *(
                _dataset(source.id, next(iter(source.digest.values()), source.version))
                for source in external_refs.sources([record])
            ),
        ],
        "outputs": [
            _dataset(path, digest.sha256)
            | {"outputFacets": {"outputStatistics": _statistics(digest)}}
            for path, digest in sorted(record.outputs.items())
        ],
    }


def _run(record: RunRecord) -> dict[str, Any]:
    params = {**record.params, "seed": record.seed}
    packages = {f"package {name}": version for name, version in record.packages.items()}
    return {
        "environmentVariables": _facet(
            "EnvironmentVariablesRunFacet",
            environmentVariables=[
                {"name": name, "value": value} for name, value in sorted(record.pins.items())
            ],
        ),
        "executionParameters": _facet(
            "ExecutionParametersRunFacet", parameters=[*_pairs(params), *_pairs(packages)]
        ),
        "processing_engine": _facet("ProcessingEngineRunFacet", name="tandem", version=__version__),
    }


def _pairs(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"key": key, "value": value if isinstance(value, str) else canonical(value)}
        for key, value in sorted(values.items())
    ]


def _dataset(name: str, version: str) -> dict[str, Any]:
    facet = _facet("DatasetVersionDatasetFacet", datasetVersion=version)
    return {"namespace": NAMESPACE, "name": name, "facets": {"version": facet}}


def _statistics(digest: Digest) -> dict[str, Any]:
    files = 1 if digest.nfiles is None else digest.nfiles
    return _facet("OutputStatisticsOutputDatasetFacet", size=digest.size, fileCount=files)


def _facet(kind: str, /, **values: Any) -> dict[str, Any]:
    schema = f"{SPEC}/facets/{FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": TANDEM, "_schemaURL": schema, **values}
