"""W3C PROV-JSON (member submission of 2013): lineage.json, for any tool that reads PROV.

entities    artifacts (paths with SHA-256 digests), and pinned sources
activities  one run per stage
agents      Tandem, and each package that a stage's code imports
relations   used, wasGeneratedBy, wasAssociatedWith, hadMember (a folder and an artifact in it),
            wasDerivedFrom (an output and the stage's input data and sources, but not its code)

The document contains no times: PROV does not require them, and the records of stages contain none.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from tandem.core.paths import is_code
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import TANDEM, canonical
from tandem.lineage.graph import Graph

PREFIX = {
    "tandem": "urn:tandem:term:",
    "artifact": "urn:tandem:artifact:",
    "run": "urn:tandem:run:",
    "source": "urn:tandem:source:",
    "package": "urn:tandem:package:",
}
ENGINE = "package:tandem"
Statements = dict[str, dict[str, dict[str, Any]]]


def export(graph: Graph, root: Path, folder: Path) -> dict[str, Any]:
    """The graph as one PROV-JSON document."""
    statements: Statements = defaultdict(dict)
    statements["agent"][ENGINE] = _agent("tandem", TANDEM.rpartition(":")[2])
    for record in graph.records.values():
        _stage(record, statements)
    for path in sorted({path for record in graph.records.values() for path in record.inputs}):
        for out in sorted(graph.inside.get(path, ())):
            if out != path:
                _relate(
                    statements, "hadMember", collection=f"artifact:{path}", entity=f"artifact:{out}"
                )
        for around in map(str, PurePosixPath(path).parents):
            if around in graph.producers:
                _relate(
                    statements,
                    "hadMember",
                    collection=f"artifact:{around}",
                    entity=f"artifact:{path}",
                )
    return {"lineage.json": {"prefix": PREFIX, **statements}}


def _stage(record: RunRecord, statements: Statements) -> None:
    run = f"run:{record.stage}"
    statements["activity"][run] = {
        "prov:label": record.stage,
        "tandem:command": record.command,
        "tandem:params": canonical(record.params),
        "tandem:pins": canonical(record.pins),
        "tandem:seed": record.seed,
    }
    _relate(statements, "wasAssociatedWith", activity=run, agent=ENGINE)
    for name, version in sorted(record.packages.items()):
        agent = f"package:{name}@{version}"
        statements["agent"][agent] = _agent(name, version)
        _relate(statements, "wasAssociatedWith", activity=run, agent=agent)
    origins = []
    for path, digest in sorted(record.inputs.items()):
        statements["entity"][f"artifact:{path}"] = _entity(path, digest)
        _relate(statements, "used", activity=run, entity=f"artifact:{path}")
        if not is_code(path):
            origins.append(f"artifact:{path}")
    for source in external_refs.sources([record]):
        statements["entity"][f"source:{source.id}"] = _source(source)
        _relate(statements, "used", activity=run, entity=f"source:{source.id}")
        origins.append(f"source:{source.id}")
    for path, digest in sorted(record.outputs.items()):
        artifact = f"artifact:{path}"
        statements["entity"][artifact] = _entity(path, digest)
        _relate(statements, "wasGeneratedBy", entity=artifact, activity=run)
        for origin in origins:
            _relate(
                statements,
                "wasDerivedFrom",
                generatedEntity=artifact,
                usedEntity=origin,
                activity=run,
            )


def _relate(statements: Statements, kind: str, **ends: str) -> None:
    """Add a relation; its id ends with its index among the relations of the same kind."""
    statements[kind][f"_:{kind}{len(statements[kind])}"] = {
        f"prov:{end}": name for end, name in ends.items()
    }


def _entity(path: str, digest: Digest) -> dict[str, Any]:
    collection = {"prov:type": {"$": "prov:Collection", "type": "prov:QUALIFIED_NAME"}}
    return {
        "prov:label": path,
        "tandem:sha256": digest.sha256,
        "tandem:size": digest.size,
        **({} if digest.nfiles is None else collection),
    }


def _source(source: external_refs.Source) -> dict[str, Any]:
    fields = {"version": source.version, "uri": source.uri, "license": source.license}
    return {
        "prov:label": source.name,
        **{f"tandem:{key}": value for key, value in {**fields, **source.digest}.items() if value},
    }


def _agent(name: str, version: str) -> dict[str, Any]:
    return {
        "prov:label": f"{name} {version}",
        "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
        "tandem:version": version,
    }
