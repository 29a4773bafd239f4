"""MLCommons Croissant 1.0: TASK.json for each dataset, that is, for each split of a task's rows.

Files with their SHA-256, fields as the task's row types them, license, citation, languages and
limits as the data card tells them. The version ends in the digest of the split's files; the date
is that of the commit which last touched reports/lineage. Addresses of files are relative to the
folder that TASK.json is written into, so that `mlcroissant` finds the data from there.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from tandem.core import paths
from tandem.core import task as tasks
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest, RunRecord
from tandem.core.rows import Dropped, schema
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import UNKNOWN, licence_url
from tandem.lineage.graph import Graph, files_of
from tandem.sources import UNKNOWN as UNTOLD
from tandem.sources import DatasetInfo

SPEC = "http://mlcommons.org/croissant/1.0"
TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in TERMS},
}
TYPES = {
    pa.string(): "sc:Text",
    pa.int64(): "sc:Integer",
    pa.float64(): "sc:Float",
    pa.bool_(): "sc:Boolean",
}


def export(graph: Graph, root: Path, place: Path) -> dict[str, Any]:
    """A file a dataset.

    Raises:
        LineageError: no record is of a split.
    """
    up = PurePosixPath(Path(os.path.relpath(root.resolve(), place.resolve())).as_posix())
    date = external_refs.last_commit(root, paths.RECORDS).time
    found = {}
    for record in graph.records.values():
        for path, digest in record.outputs.items():
            task = PurePosixPath(path).name
            if path == str(paths.split(task)):
                behind = [graph.records[name] for name in graph.upstream(record.stage)]
                about, source = _origin(task, behind)
                head = _head(task, about, source, digest.sha256)
                found[f"{task}.json"] = {
                    **head,
                    "datePublished": date,
                    "rai:dataPreprocessingProtocol": [each.command for each in behind],
                    **_content(task, path, digest, up),
                }
    if not found:
        raise LineageError("no record is of a split: run `dvc repro` or `snakemake` first")
    return found


def _origin(task: str, behind: list[RunRecord]) -> tuple[DatasetInfo, external_refs.Source]:
    """What the data card tells of the rows, and where they came from."""
    for record in behind:
        told = external_refs.about(record)
        if told is not None and external_refs.task_of(record) == task:
            known = external_refs.sources([record])
            return told, known[0] if known else external_refs.Source(task)
    return UNTOLD, external_refs.Source(task)


def _head(
    task: str, about: DatasetInfo, source: external_refs.Source, sha256: str
) -> dict[str, Any]:
    known = {
        "citeAs": about.citation,
        "url": _url(source),
        "license": "" if about.license in UNKNOWN else licence_url(about.license),
        "inLanguage": about.languages,
        "rai:dataLimitations": about.limits,
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPEC,
        "name": task,
        "alternateName": about.title or task,
        "description": about.description,
        "version": f"1.0.0+sha256.{sha256[:12]}",
        **{key: value for key, value in known.items() if value},
    }


def _url(source: external_refs.Source) -> str:
    """A page on the source; a pinned file of one's own has none, and is named by its digest."""
    if source.uri.startswith("pkg:pypi/"):
        return f"https://pypi.org/project/{source.name}/{source.version}/"
    return source.id if source.uri or source.digest else ""


def _content(task: str, path: str, digest: Digest, up: PurePosixPath) -> dict[str, Any]:
    """The files, and a record set for each with the fields of its rows."""
    row = tasks.load(task, "a record").row
    files, sets = [], []
    for name, each in files_of(digest).items():
        part = PurePosixPath(name).stem
        files.append(
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": str(up / path / name),
                "contentSize": f"{each.size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": each.sha256,
            }
        )
        columns = schema(Dropped if name == paths.DROPPED else row)
        sets.append(
            {
                "@type": "cr:RecordSet",
                "@id": part,
                "name": part,
                "key": {"@id": f"{part}/id"},
                "field": [_field(part, column, name) for column in columns],
            }
        )
    return {"distribution": files, "recordSet": sets}


def _field(part: str, column: pa.Field, file: str) -> dict[str, Any]:
    """A column; one of structures has their members as fields below it."""
    many = pa.types.is_list(column.type)
    kind = column.type.value_type if many else column.type
    field = {"@type": "cr:Field", "@id": f"{part}/{column.name}", "name": column.name}
    source = {"fileObject": {"@id": file}, "extract": {"column": column.name}}
    if many:
        field["repeated"] = True
    if not pa.types.is_struct(kind):
        return {**field, "dataType": TYPES[kind], "source": source}
    below = [
        {
            "@type": "cr:Field",
            "@id": f"{part}/{column.name}/{member.name}",
            "name": member.name,
            "dataType": TYPES[member.type],
            "source": {**source, "transform": {"jsonPath": member.name}},
        }
        for member in kind
    ]
    return {**field, "subField": below}
