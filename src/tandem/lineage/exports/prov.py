"""W3C PROV-JSON (member submission of 2013): lineage.json, for any tool that reads PROV.

entities    artifacts by their paths, with their SHA-256; pinned sources; folders have members
activities  one run a stage
agents      Tandem, and each package that a stage's code imports
relations   used, wasGeneratedBy, wasAssociatedWith, hadMember; wasDerivedFrom, from data and
            sources but not from code

Times are left out: PROV does not ask for them, and a record has none.
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
Said = dict[str, dict[str, dict[str, Any]]]


def export(graph: Graph, root: Path, place: Path) -> dict[str, Any]:
    """The whole graph as one document."""
    said: Said = defaultdict(dict)
    said["agent"][ENGINE] = _agent("tandem", TANDEM.rpartition(":")[2])
    for record in graph.records.values():
        _stage(record, said)
    for path in sorted({path for record in graph.records.values() for path in record.inputs}):
        for out in sorted(graph.inside.get(path, ())):
            if out != path:
                _relate(said, "hadMember", collection=f"artifact:{path}", entity=f"artifact:{out}")
        for around in map(str, PurePosixPath(path).parents):
            if around in graph.producers:
                _relate(
                    said, "hadMember", collection=f"artifact:{around}", entity=f"artifact:{path}"
                )
    return {"lineage.json": {"prefix": PREFIX, **said}}


def _stage(record: RunRecord, said: Said) -> None:
    run = f"run:{record.stage}"
    said["activity"][run] = {
        "prov:label": record.stage,
        "tandem:command": record.command,
        "tandem:params": canonical(record.params),
        "tandem:pins": canonical(record.pins),
        "tandem:seed": record.seed,
    }
    _relate(said, "wasAssociatedWith", activity=run, agent=ENGINE)
    for name, version in sorted(record.packages.items()):
        agent = f"package:{name}@{version}"
        said["agent"][agent] = _agent(name, version)
        _relate(said, "wasAssociatedWith", activity=run, agent=agent)
    origins = []
    for path, digest in sorted(record.inputs.items()):
        said["entity"][f"artifact:{path}"] = _entity(path, digest)
        _relate(said, "used", activity=run, entity=f"artifact:{path}")
        if not is_code(path):
            origins.append(f"artifact:{path}")
    for source in external_refs.sources([record]):
        said["entity"][f"source:{source.id}"] = _source(source)
        _relate(said, "used", activity=run, entity=f"source:{source.id}")
        origins.append(f"source:{source.id}")
    for path, digest in sorted(record.outputs.items()):
        made = f"artifact:{path}"
        said["entity"][made] = _entity(path, digest)
        _relate(said, "wasGeneratedBy", entity=made, activity=run)
        for origin in origins:
            _relate(said, "wasDerivedFrom", generatedEntity=made, usedEntity=origin, activity=run)


def _relate(said: Said, kind: str, **ends: str) -> None:
    """One relation; its name tells how many of its kind came before."""
    said[kind][f"_:{kind}{len(said[kind])}"] = {f"prov:{end}": name for end, name in ends.items()}


def _entity(path: str, digest: Digest) -> dict[str, Any]:
    kind = {"prov:type": {"$": "prov:Collection", "type": "prov:QUALIFIED_NAME"}}
    return {
        "prov:label": path,
        "tandem:sha256": digest.sha256,
        "tandem:size": digest.size,
        **({} if digest.nfiles is None else kind),
    }


def _source(source: external_refs.Source) -> dict[str, Any]:
    told = {"version": source.version, "uri": source.uri, "license": source.license}
    return {
        "prov:label": source.name,
        **{f"tandem:{key}": value for key, value in {**told, **source.digest}.items() if value},
    }


def _agent(name: str, version: str) -> dict[str, Any]:
    return {
        "prov:label": f"{name} {version}",
        "prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"},
        "tandem:version": version,
    }
