"""CycloneDX 1.6 ML-BOM: NAME.cdx.json for each model that dvc.yaml lists under `artifacts`.

The model is a component of type `machine-learning-model`. This component contains the digests of
the model's files, the licenses of its data and of all upstream pretrained weights, and a model card
with the names of its datasets and its scores on the test rows. The model's pedigree lists the
pinned upstream weights as ancestors, including those of models that were used only for scoring. The
other components are the datasets, and the packages that upstream stages import, in their locked
versions. The digest of a folder is the digest of its list of files (`tandem.core.provenance`).
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
from tandem.lineage.exports.common.records import SPDX, UNKNOWN, stable_uuid
from tandem.lineage.exports.common.scores import scores
from tandem.lineage.graph import Graph, files_of

MODEL = "machine-learning-model"
Component = dict[str, Any]


def export(graph: Graph, root: Path, folder: Path) -> dict[str, Any]:
    """One BOM per published model that has a record.

    Raises:
        LineageError: no model listed under `artifacts` in dvc.yaml has a record, or a detail file
            differs from its record.
    """
    boms = {
        f"{name}.cdx.json": _bom(name, artifact, graph, root)
        for name, artifact in _published(root / paths.DAG)
        if graph.producers_of(artifact["path"])
    }
    if not boms:
        raise LineageError(f"no model under `artifacts` in {paths.DAG} has a record")
    return boms


def _published(dag: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each published model, and its entry in dvc.yaml."""
    try:
        content = io.parse_yaml(dag.read_text(encoding="utf-8"))
        artifacts = content.get("artifacts") or {}
        models = {name: a for name, a in artifacts.items() if a.get("type") == "model"}
        yield from ((name, {**a, "path": str(a["path"])}) for name, a in models.items())
    except (OSError, YAMLError, AttributeError, KeyError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"cannot read `artifacts` in {dag}: {problem}") from None


def _bom(name: str, artifact: dict[str, Any], graph: Graph, root: Path) -> dict[str, Any]:
    path = artifact["path"]
    upstream = [graph.records[stage] for stage in graph.upstream(*graph.producers_of(path))]
    data, weights = [*_datasets(upstream)], [*_weights(upstream)]
    libraries = [*_libraries(upstream)]
    digest = graph.expected_digest(path)
    assert digest is not None, "export() skips models that no stage wrote"  # noqa: S101
    model = {
        "type": MODEL,
        "bom-ref": path,
        "name": name,
        "version": digest.sha256[:12],
        "description": str(artifact.get("desc", "")),
        "hashes": _hashes(digest.sha256),
        "licenses": _licenses(
            terms for part in (*data, *weights) for terms in part.get("licenses", ())
        ),
        "components": [
            {"type": "file", "name": file, "hashes": _hashes(file_digest.sha256)}
            for file, file_digest in files_of(digest).items()
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
    refs = sorted(part["bom-ref"] for part in parts)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{stable_uuid(model, parts)}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "tandem", "version": __version__}]
            },
            "component": {key: value for key, value in model.items() if value},
        },
        "components": parts,
        "dependencies": [
            {"ref": path, "dependsOn": refs},
            *({"ref": ref} for ref in refs),
        ],
    }


def _datasets(upstream: Iterable[RunRecord]) -> Iterator[Component]:
    """The datasets that upstream stages fetched, as components of the BOM."""
    for record in upstream:
        about = external_refs.about(record)
        if about is None:
            continue
        for path, digest in record.outputs.items():
            if not PurePosixPath(path).is_relative_to(paths.DETAILS):
                component = {
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
                yield {key: value for key, value in component.items() if value}


def _weights(upstream: Iterable[RunRecord]) -> Iterator[Component]:
    """The pinned weights upstream of a model."""
    pretrained = [record for record in upstream if record.stage.startswith("fetch-model")]
    for source in external_refs.sources(pretrained):
        component = {
            "type": MODEL,
            "bom-ref": source.id,
            "name": source.name,
            "version": source.version,
            "hashes": _hashes(source.digest["sha256"]) if "sha256" in source.digest else [],
            "licenses": _license(source.license),
            "purl": source.uri if source.uri.startswith("pkg:") else "",
        }
        yield {key: value for key, value in component.items() if value}


def _libraries(upstream: Iterable[RunRecord]) -> Iterator[Component]:
    """The packages that the stages upstream of a model import, without duplicates."""
    packages = {pair for record in upstream for pair in record.packages.items()}
    for name, version in sorted(packages):
        purl = external_refs.purl(name, version)
        library = {"type": "library", "bom-ref": purl, "name": name, "version": version}
        yield {**library, "purl": purl}


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
    """A license with its SPDX id or, if it has no id, its name; empty if the license is unknown."""
    if name in UNKNOWN:
        return []
    spdx_id = SPDX.get(name.lower())
    return [{"license": {"id": spdx_id} if spdx_id else {"name": name}}]


def _licenses(licenses: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The distinct licenses, sorted."""
    texts = {json.dumps(terms, sort_keys=True) for terms in licenses}
    return [json.loads(text) for text in sorted(texts)]


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]
