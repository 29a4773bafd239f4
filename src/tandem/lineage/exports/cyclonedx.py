"""CycloneDX 1.6 ML-BOM: NAME.cdx.json for each model that dvc.yaml publishes under `artifacts`.

The model is a machine-learning-model with the digests of its files, the licences of its data and of
all weights behind it, and a card: datasets, scores on the test rows with their intervals. Its
pedigree has those pinned weights as ancestors, the ones of a model that only judged it too.
Components are the datasets and the locked packages that any stage behind it imports. A folder's own
digest is that of the list of its files (`tandem.core.provenance`).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem import __version__
from tandem.core import io, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import SPDX, UNKNOWN, made_id
from tandem.lineage.exports.common.scores import scores
from tandem.lineage.graph import Graph, files_of

MODEL = "machine-learning-model"
Component = dict[str, Any]


def export(graph: Graph, root: Path, place: Path) -> dict[str, Any]:
    """A BOM a published model that a record tells of.

    Raises:
        LineageError: dvc.yaml publishes no model, or none that a record tells of; or a detail file
            is not the one that its record has.
    """
    found = {
        f"{name}.cdx.json": _bom(name, artifact, graph, root)
        for name, artifact in _published(root / paths.DAG)
        if graph.producers_of(artifact["path"])
    }
    if not found:
        raise LineageError(f"no record is of a model that {paths.DAG} has under `artifacts`")
    return found


def _published(dag: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and entry of each published model."""
    try:
        content = io.parse_yaml(dag.read_text(encoding="utf-8"))
        artifacts = content.get("artifacts") or {}
        models = {name: each for name, each in artifacts.items() if each.get("type") == "model"}
        yield from ((name, {**each, "path": str(each["path"])}) for name, each in models.items())
    except (OSError, YAMLError, AttributeError, KeyError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{dag} has no readable `artifacts`: {problem}") from None


def _bom(name: str, artifact: dict[str, Any], graph: Graph, root: Path) -> dict[str, Any]:
    path = artifact["path"]
    behind = [graph.records[stage] for stage in graph.upstream(*graph.producers_of(path))]
    data, weights = [*_datasets(behind)], [*_weights(behind)]
    libraries = [*_libraries(behind)]
    whole = graph.expected_digest(path)
    assert whole is not None, "producers_of has found its maker"  # noqa: S101
    model = {
        "type": MODEL,
        "bom-ref": path,
        "name": name,
        "version": whole.sha256[:12],
        "description": str(artifact.get("desc", "")),
        "hashes": _hashes(whole.sha256),
        "licenses": _licenses(
            terms for part in (*data, *weights) for terms in part.get("licenses", ())
        ),
        "components": [
            {"type": "file", "name": file, "hashes": _hashes(each.sha256)}
            for file, each in files_of(whole).items()
            if file
        ],
        "pedigree": {"ancestors": weights},
        "modelCard": {
            "modelParameters": {
                "task": PurePosixPath(path).parent.name,
                "datasets": [{"ref": part["bom-ref"]} for part in data],
            },
            "quantitativeAnalysis": {"performanceMetrics": [*scores(path, graph, root)]},
        },
    }
    parts = [*data, *libraries]
    needed = sorted(part["bom-ref"] for part in parts)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{made_id(model, parts)}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "tandem", "version": __version__}]
            },
            "component": {key: value for key, value in model.items() if value},
        },
        "components": parts,
        "dependencies": [
            {"ref": path, "dependsOn": needed},
            *({"ref": ref} for ref in needed),
        ],
    }


def _datasets(behind: Iterable[RunRecord]) -> Iterator[Component]:
    """The rows that each `fetch` wrote, as its source describes them."""
    for record in behind:
        about = external_refs.about(record)
        if about is None:
            continue
        for path, digest in record.outputs.items():
            if not PurePosixPath(path).is_relative_to(paths.DETAILS):
                kept = {
                    "type": "data",
                    "bom-ref": path,
                    "name": about.title or path,
                    "version": digest.sha256[:12],
                    "description": about.description,
                    "hashes": _hashes(digest.sha256),
                    "licenses": _license(about.license),
                    "copyright": about.citation,
                    "externalReferences": _references(record),
                    "data": [{"type": "dataset", "name": about.title or path}],
                }
                yield {key: value for key, value in kept.items() if value}


def _weights(behind: Iterable[RunRecord]) -> Iterator[Component]:
    """The pinned weights behind a model, which are its ancestors."""
    pretrained = [record for record in behind if record.stage.startswith("fetch-model")]
    for source in external_refs.sources(pretrained):
        kept = {
            "type": MODEL,
            "bom-ref": source.id,
            "name": source.name,
            "version": source.version,
            "hashes": _hashes(source.digest["sha256"]) if "sha256" in source.digest else [],
            "licenses": _license(source.license),
            "purl": source.uri if source.uri.startswith("pkg:") else "",
        }
        yield {key: value for key, value in kept.items() if value}


def _libraries(behind: Iterable[RunRecord]) -> Iterator[Component]:
    """The packages that any stage behind a model imports, each once."""
    packages = {pair for record in behind for pair in record.packages.items()}
    for name, version in sorted(packages):
        purl = external_refs.purl(name, version)
        kind = {"type": "library", "bom-ref": purl, "name": name, "version": version}
        yield {**kind, "purl": purl}


def _references(record: RunRecord) -> list[dict[str, Any]]:
    return [
        {
            "type": "source-distribution",
            "url": source.id,
            **({"hashes": _hashes(sha256)} if (sha256 := source.digest.get("sha256")) else {}),
        }
        for source in external_refs.sources([record])
    ]


def _license(name: str) -> list[dict[str, Any]]:
    """A license by its SPDX id, or by its name where SPDX has none; nothing if it is unknown."""
    if name in UNKNOWN:
        return []
    known = SPDX.get(name.lower())
    return [{"license": {"id": known} if known else {"name": name}}]


def _licenses(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each license once, sorted."""
    texts = {json.dumps(terms, sort_keys=True) for terms in found}
    return [json.loads(text) for text in sorted(texts)]


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]
