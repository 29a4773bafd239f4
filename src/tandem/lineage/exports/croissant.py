"""MLCommons Croissant 1.0: TASK.json describes the rows that the stage `split` wrote for a task.

TASK.json lists the files with their SHA-256 digests, the fields of the task's rows with their
types, and the license, citation, languages and limitations that are also in the data card. The
dataset's version ends with the first 12 digits of its SHA-256 digest. The publication date is the
time of the last commit that changed reports/lineage. URLs of files are relative to the folder that
TASK.json is written to, so that `mlcroissant` finds the data.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from tandem.core import paths
from tandem.core import task as tasks
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest, RunRecord
from tandem.core.raw_records import UNKNOWN as UNKNOWN_DATASET
from tandem.core.raw_records import DatasetInfo
from tandem.core.rows import Dropped, schema
from tandem.lineage import external_refs
from tandem.lineage.exports.common.records import UNKNOWN, license_url
from tandem.lineage.graph import Graph, files_of

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


def export(graph: Graph, root: Path, folder: Path) -> dict[str, Any]:
    """The content of TASK.json for each dataset; the keys are the file names.

    Raises:
        LineageError: no stage that splits rows has a record.
    """
    up = PurePosixPath(Path(os.path.relpath(root.resolve(), folder.resolve())).as_posix())
    date = external_refs.last_commit(root, paths.RECORDS).time
    datasets = {}
    for record in graph.records.values():
        for path, digest in record.outputs.items():
            task = PurePosixPath(path).name
            if path == str(paths.split(task)):
                upstream = [graph.records[name] for name in graph.upstream(record.stage)]
                about, source = _origin(task, upstream)
                head = _head(task, about, source, digest.sha256)
                datasets[f"{task}.json"] = {
                    **head,
                    "datePublished": date,
                    "rai:dataPreprocessingProtocol": [record.command for record in upstream],
                    **_content(task, path, digest, up),
                }
    if not datasets:
        raise LineageError("there is no record of a split: run `dvc repro` or `snakemake` first")
    return datasets


def _origin(task: str, upstream: list[RunRecord]) -> tuple[DatasetInfo, external_refs.Source]:
    """The description and the pinned source of a task's rows."""
    for record in upstream:
        about = external_refs.about(record)
        if about is not None and external_refs.task_of(record) == task:
            sources = external_refs.sources([record])
            return about, sources[0] if sources else external_refs.Source(task)
    return UNKNOWN_DATASET, external_refs.Source(task)


def _head(
    task: str, about: DatasetInfo, source: external_refs.Source, sha256: str
) -> dict[str, Any]:
    optional = {
        "citeAs": about.citation,
        "url": _url(source),
        "license": "" if about.license in UNKNOWN else license_url(about.license),
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
        **{key: value for key, value in optional.items() if value},
    }


def _url(source: external_refs.Source) -> str:
    """The URL of the source or, for a file of the project, a URN built from its digest."""
    if source.uri.startswith("pkg:pypi/"):
        return f"https://pypi.org/project/{source.name}/{source.version}/"
    return source.id if source.uri or source.digest else ""


def _content(task: str, path: str, digest: Digest, up: PurePosixPath) -> dict[str, Any]:
    """The files, and for each file a record set with the fields of its rows."""
    row = tasks.load(task, "a record").row
    files, sets = [], []
    for name, file in files_of(digest).items():
        part = PurePosixPath(name).stem
        files.append(
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": str(up / path / name),
                "contentSize": f"{file.size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": file.sha256,
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
    """The field that describes a column; the members of a struct become subfields."""
    is_list = pa.types.is_list(column.type)
    value_type = column.type.value_type if is_list else column.type
    field = {"@type": "cr:Field", "@id": f"{part}/{column.name}", "name": column.name}
    source = {"fileObject": {"@id": file}, "extract": {"column": column.name}}
    if is_list:
        field["repeated"] = True
    if not pa.types.is_struct(value_type):
        return {**field, "dataType": TYPES[value_type], "source": source}
    subfields = [
        {
            "@type": "cr:Field",
            "@id": f"{part}/{column.name}/{member.name}",
            "name": member.name,
            "dataType": TYPES[member.type],
            "source": {**source, "transform": {"jsonPath": member.name}},
        }
        for member in value_type
    ]
    return {**field, "subField": subfields}
