"""RO-Crate 1.1 with the profile Workflow Run Crate 0.5: ro-crate-metadata.json.

A crate is the folder that its metadata lies in, so this makes the project's folder the crate.
dvc.yaml is the workflow; one CreateAction is the run of it, one more each stage's run, with what it
read (`object`), wrote (`result`) and was run by (`instrument`). Files have their SHA-256; folders
are read by their files where a stage wrote them, else as a whole.

The date of publication is that of the commit which last touched reports/lineage; when an action
began and ended, no record says.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from tandem.core import paths
from tandem.core.errors import LineageError
from tandem.core.provenance import RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.crate import (
    TOOL,
    TYPES,
    Entities,
    entity,
    file,
    is_data,
    name_of,
    put,
    refs,
    source_of,
    tool_of,
    value_of,
)
from tandem.lineage.exports.common.records import run_id
from tandem.lineage.graph import Graph

PLACE = "."
METADATA = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW: ("Workflow RO-Crate", "1.0"),
}
CONTEXT = [f"{CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
LANGUAGE = "#dvc"


def export(graph: Graph, root: Path, place: Path) -> dict[str, Any]:
    """The metadata of the crate.

    Raises:
        LineageError: it would lie elsewhere than in the project's folder.
    """
    if place.resolve() != root.resolve():
        raise LineageError("an RO-Crate lies in the folder that it describes: leave out --to")
    stamp = external_refs.last_commit(root, paths.RECORDS)
    found: Entities = {}
    actions = [_action(record, found) for record in graph.records.values()]
    made = {name_of(p, d) for record in graph.records.values() for p, d in record.outputs.items()}
    given = {
        name_of(p, d)
        for record in graph.records.values()
        for p, d in record.inputs.items()
        if not _is_made(p, graph)
    }
    sources = {source_of(source, found) for source in external_refs.sources(graph.records.values())}
    for record in sorted(path.relative_to(root) for path in (root / paths.RECORDS).rglob("*.json")):
        found[record.as_posix()] = file(record.as_posix(), "The record of a stage's run")
    dag, top = str(paths.DAG), [name for name, each in found.items() if is_data(each)]
    whole = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "The run of the whole pipeline",
        "description": "dvc repro",
        "instrument": {"@id": dag},
        "object": refs(given | sources),
        "result": refs(made),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    papers = [name for name in ("LICENSE", "README.md") if (root / name).exists()]
    fixed = [
        entity(
            METADATA,
            "CreativeWork",
            about={"@id": "./"},
            conformsTo=[{"@id": CRATE}, {"@id": WORKFLOW}],
        ),
        entity(
            "./",
            "Dataset",
            name="A run of a Tandem pipeline",
            description=f"{len(graph.records)} stages with what they read, wrote and were run by",
            datePublished=stamp.time,
            conformsTo=refs(PROFILES),
            mainEntity={"@id": dag},
            mentions=[{"@id": "#run"}, *({"@id": each["@id"]} for each in actions)],
            hasPart=refs([dag, *top, *papers]),
            license={"@id": "LICENSE"} if "LICENSE" in papers else "unknown",
        ),
        *(
            entity(key, "CreativeWork", name=name, version=version)
            for key, (name, version) in PROFILES.items()
        ),
        entity(
            dag,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            name="The pipeline",
            version=stamp.commit or "uncommitted",
            encodingFormat=TYPES[".yaml"],
            programmingLanguage={"@id": LANGUAGE},
            hasPart=refs(key for key in found if key.startswith(TOOL)),
        ),
        entity(LANGUAGE, "ComputerLanguage", name="DVC pipeline", url="https://dvc.org"),
        *(file(name) | {"about": {"@id": "./"}} for name in papers),
    ]
    graph_of = [*fixed, whole, *actions, *(found[key] for key in sorted(found))]
    return {METADATA: {"@context": CONTEXT, "@graph": graph_of}}


def _is_made(path: str, graph: Graph) -> bool:
    """Whether a stage wrote what lies at, around or below `path`."""
    return path in graph.inside or any(
        str(above) in graph.producers for above in PurePosixPath(path).parents
    )


def _action(record: RunRecord, found: Entities) -> dict[str, Any]:
    """One stage's run; what it touched is put into `found`."""
    given = [put(path, digest, found) for path, digest in record.inputs.items()]
    given += [source_of(source, found) for source in external_refs.sources([record])]
    for key, value in {**record.params, "seed": record.seed}.items():
        given.append(value_of(f"#{record.stage}/{key}", key, value, found))
    return {
        "@id": f"#{run_id(record)}",
        "@type": "CreateAction",
        "name": record.stage,
        "description": record.command,
        "instrument": {"@id": tool_of(record, found)},
        "object": refs(given),
        "result": refs(put(path, digest, found) for path, digest in record.outputs.items()),
        "environment": refs(
            value_of(f"#environment/{name}={value}", name, value, found)
            for name, value in record.pins.items()
        ),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
