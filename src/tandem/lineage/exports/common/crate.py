"""The things that an RO-Crate describes, each a flat JSON-LD entity with an id of its own."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from tandem import __version__
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import canonical, licence_url

TOOL = "#tandem"
TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
Entities = dict[str, dict[str, Any]]


def put(path: str, digest: Digest, found: Entities) -> str:
    """The id of a file or folder, which is put into `found` with its files."""
    name = name_of(path, digest)
    if digest.nfiles is None:
        found[name] = file(path, digest=digest)
    elif digest.files is not None or name not in found:
        parts = digest.files or {}
        for part, each in parts.items():
            found[f"{name}{part}"] = file(f"{name}{part}", digest=each)
        inside = {"hasPart": refs(f"{name}{part}" for part in parts)} if parts else {}
        found[name] = entity(name, "Dataset", name=path, **inside)
    return name


def name_of(path: str, digest: Digest) -> str:
    """The id of a file, or of a folder, which ends in a slash."""
    return path if digest.nfiles is None else f"{path}/"


def file(path: str, about: str = "", digest: Digest | None = None) -> dict[str, Any]:
    """A file, with its digest where that is known."""
    known = {} if digest is None else {"contentSize": str(digest.size), "sha256": digest.sha256}
    kind = "text/plain" if path == "LICENSE" else TYPES.get(PurePosixPath(path).suffix)
    told = {"description": about} if about else {}
    form = {"encodingFormat": kind} if kind else {}
    return entity(path, "File", name=path, **told, **form, **known)


def source_of(source: external_refs.Source, found: Entities) -> str:
    """The id of a pinned source: outside of the crate, so not a part of it."""
    told = {"version": source.version, "license": licence_url(source.license)}
    found[source.id] = entity(source.id, "CreativeWork", name=source.name) | {
        key: value for key, value in {**told, **source.digest}.items() if value
    }
    return source.id


def value_of(key: str, name: str, value: Any, found: Entities) -> str:
    """The id of a param or a variable with its value."""
    text = value if isinstance(value, str) else canonical(value)
    found[key] = entity(key, "PropertyValue", name=name, value=text)
    return key


def tool_of(record: RunRecord, found: Entities) -> str:
    """The id of what ran a stage, with the packages that its code imports."""
    key = f"{TOOL}-{record.stage}"
    packages = []
    for name, version in record.packages.items():
        page = f"https://pypi.org/project/{name}/{version}/"
        packages.append(page)
        found[page] = _app(page, name, version) | {
            "url": page,
            "identifier": external_refs.purl(name, version),
        }
    found[key] = _app(key, record.command, __version__) | {"softwareRequirements": refs(packages)}
    return key


def _app(key: str, name: str, version: str) -> dict[str, Any]:
    return entity(key, "SoftwareApplication", name=name, softwareVersion=version)


def is_data(found: dict[str, Any]) -> bool:
    """Whether an entity is a part of the crate and not only spoken of."""
    return found["@type"] in ("File", "Dataset")


def entity(key: str, kind: str | list[str], **values: Any) -> dict[str, Any]:
    """An entity of this id and type."""
    return {"@id": key, "@type": kind, **values}


def refs(names: Iterable[str]) -> list[dict[str, str]]:
    """References to ids, each once, sorted."""
    return [{"@id": name} for name in sorted({*names})]
