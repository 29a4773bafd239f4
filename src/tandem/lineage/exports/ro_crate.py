"""RO-Crate 1.1 with the profile Workflow Run Crate 0.5: ro-crate-metadata.json.

A crate is a folder that contains the metadata file, so the project's folder becomes the crate.
dvc.yaml is the workflow. One CreateAction describes the run of the workflow. For each stage,
another CreateAction describes the stage's inputs (`object`), outputs (`result`) and command
(`instrument`). The files that stages read or wrote are listed with their SHA-256 digests. A folder
that a stage wrote is listed with its files; any other folder is listed without them.

The date of publication is that of the last commit that changed reports/lineage. Actions have no
start and end times, because the records of stages contain no times.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from tandem.core import paths
from tandem.core.errors import LineageError
from tandem.core.provenance import RunRecord
from tandem.core.wording import counted
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

FOLDER = "."
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


def export(graph: Graph, root: Path, folder: Path) -> dict[str, Any]:
    """The metadata of the crate.

    Raises:
        LineageError: `folder` is not the project's folder.
    """
    if folder.resolve() != root.resolve():
        raise LineageError("an RO-Crate must be in the folder that it describes: omit --to")
    commit = external_refs.last_commit(root, paths.RECORDS)
    entities: Entities = {}
    actions = [_action(record, entities) for record in graph.records.values()]
    outputs = {
        name_of(p, d) for record in graph.records.values() for p, d in record.outputs.items()
    }
    inputs = {
        name_of(p, d)
        for record in graph.records.values()
        for p, d in record.inputs.items()
        if not _is_output(p, graph)
    }
    sources = {
        source_of(source, entities) for source in external_refs.sources(graph.records.values())
    }
    for record in sorted(path.relative_to(root) for path in (root / paths.RECORDS).rglob("*.json")):
        entities[record.as_posix()] = file(record.as_posix(), "The record of a stage's run")
    dag = str(paths.DAG)
    data = [name for name, value in entities.items() if is_data(value)]
    workflow_run = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "The run of the whole pipeline",
        "description": "dvc repro",
        "instrument": {"@id": dag},
        "object": refs(inputs | sources),
        "result": refs(outputs),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    documents = [name for name in ("LICENSE", "README.md") if (root / name).exists()]
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
            description=f"{counted(len(graph.records), 'stage')} with inputs, outputs and commands",
            datePublished=commit.time,
            conformsTo=refs(PROFILES),
            mainEntity={"@id": dag},
            mentions=[{"@id": "#run"}, *({"@id": action["@id"]} for action in actions)],
            hasPart=refs([dag, *data, *documents]),
            license={"@id": "LICENSE"} if "LICENSE" in documents else "unknown",
        ),
        *(
            entity(key, "CreativeWork", name=name, version=version)
            for key, (name, version) in PROFILES.items()
        ),
        entity(
            dag,
            ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            name="The pipeline",
            version=commit.commit or "uncommitted",
            encodingFormat=TYPES[".yaml"],
            programmingLanguage={"@id": LANGUAGE},
            hasPart=refs(key for key in entities if key.startswith(TOOL)),
        ),
        entity(LANGUAGE, "ComputerLanguage", name="DVC pipeline", url="https://dvc.org"),
        *(file(name) | {"about": {"@id": "./"}} for name in documents),
    ]
    described = [*fixed, workflow_run, *actions, *(entities[key] for key in sorted(entities))]
    return {METADATA: {"@context": CONTEXT, "@graph": described}}


def _is_output(path: str, graph: Graph) -> bool:
    """Whether `path` is an output, contains an output, or is inside an output of a stage."""
    return path in graph.inside or any(
        str(above) in graph.producers for above in PurePosixPath(path).parents
    )


def _action(record: RunRecord, entities: Entities) -> dict[str, Any]:
    """The CreateAction of one stage; the entities that it refers to are added to `entities`."""
    inputs = [put(path, digest, entities) for path, digest in record.inputs.items()]
    inputs += [source_of(source, entities) for source in external_refs.sources([record])]
    for key, value in {**record.params, "seed": record.seed}.items():
        inputs.append(value_of(f"#{record.stage}/{key}", key, value, entities))
    return {
        "@id": f"#{run_id(record)}",
        "@type": "CreateAction",
        "name": record.stage,
        "description": record.command,
        "instrument": {"@id": tool_of(record, entities)},
        "object": refs(inputs),
        "result": refs(put(path, digest, entities) for path, digest in record.outputs.items()),
        "environment": refs(
            value_of(f"#environment/{name}={value}", name, value, entities)
            for name, value in record.pins.items()
        ),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
