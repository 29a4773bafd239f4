"""The entities of an RO-Crate: flat JSON-LD objects with unique ids."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from tandem import __version__
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import canonical, license_url

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


def put(path: str, digest: Digest, entities: Entities) -> str:
    """Add a file, or a folder with its files, to `entities`; return its id."""
    name = name_of(path, digest)
    if digest.nfiles is None:
        entities[name] = file(path, digest=digest)
    elif digest.files is not None or name not in entities:
        parts = digest.files or {}
        for part, part_digest in parts.items():
            entities[f"{name}{part}"] = file(f"{name}{part}", digest=part_digest)
        inside = {"hasPart": refs(f"{name}{part}" for part in parts)} if parts else {}
        entities[name] = entity(name, "Dataset", name=path, **inside)
    return name


def name_of(path: str, digest: Digest) -> str:
    """The id of a file or folder. The id of a folder ends in a slash."""
    return path if digest.nfiles is None else f"{path}/"


def file(path: str, about: str = "", digest: Digest | None = None) -> dict[str, Any]:
    """The entity of a file, with the file's digest if it is known."""
    contents = {} if digest is None else {"contentSize": str(digest.size), "sha256": digest.sha256}
    media_type = "text/plain" if path == "LICENSE" else TYPES.get(PurePosixPath(path).suffix)
    description = {"description": about} if about else {}
    form = {"encodingFormat": media_type} if media_type else {}
    return entity(path, "File", name=path, **description, **form, **contents)


def source_of(source: external_refs.Source, entities: Entities) -> str:
    """Add a pinned source, which is not part of the crate, to `entities`; return its id."""
    fields = {"version": source.version, "license": license_url(source.license)}
    entities[source.id] = entity(source.id, "CreativeWork", name=source.name) | {
        key: value for key, value in {**fields, **source.digest}.items() if value
    }
    return source.id


def value_of(key: str, name: str, value: Any, entities: Entities) -> str:
    """Add a param or an environment variable to `entities`; return its id."""
    text = value if isinstance(value, str) else canonical(value)
    entities[key] = entity(key, "PropertyValue", name=name, value=text)
    return key


def tool_of(record: RunRecord, entities: Entities) -> str:
    """Add the command of a stage, with the packages that its code imports; return its id."""
    key = f"{TOOL}-{record.stage}"
    packages = []
    for name, version in record.packages.items():
        page = f"https://pypi.org/project/{name}/{version}/"
        packages.append(page)
        entities[page] = _app(page, name, version) | {
            "url": page,
            "identifier": external_refs.purl(name, version),
        }
    entities[key] = _app(key, record.command, __version__) | {
        "softwareRequirements": refs(packages)
    }
    return key


def _app(key: str, name: str, version: str) -> dict[str, Any]:
    return entity(key, "SoftwareApplication", name=name, softwareVersion=version)


def is_data(value: dict[str, Any]) -> bool:
    """Whether an entity is part of the crate, not merely referenced by it."""
    return value["@type"] in ("File", "Dataset")


def entity(key: str, kind: str | list[str], **values: Any) -> dict[str, Any]:
    """An entity with the id `key` and the type `kind`."""
    return {"@id": key, "@type": kind, **values}


def refs(names: Iterable[str]) -> list[dict[str, str]]:
    """JSON-LD references to the ids in `names`, sorted and without duplicates."""
    return [{"@id": name} for name in sorted({*names})]
