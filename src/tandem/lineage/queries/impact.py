"""`tandem lineage impact`: everything that depends on a path, a param, a source or a row.

This command answers questions such as: if this dataset is withdrawn, which models and reports are
affected?
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tandem.core import params, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import read_code, value_of_key
from tandem.core.wording import counted
from tandem.lineage.graph import Graph, read
from tandem.lineage.queries.targets import nearest

KINDS = ("data", "models", "reports")
IDS = ("id", "parent")
"""Columns that contain row ids. The id of a preference pair is `CHOSEN>REJECTED`."""


def query(name: str, root: Path = Path()) -> dict[str, Any]:
    """The stages downstream of `name`, their outputs and, for a row, the tables that contain it.

    Raises:
        LineageError: the records do not contain `name`; the message suggests the closest name.
    """
    graph = read(root)
    for kind, stages in _meanings(name, graph, root):
        if stages:
            return {"name": name, "kind": kind} | _outputs_by_kind(graph, graph.downstream(*stages))
    tables = tables_with_row(name, graph, root)
    if tables:
        readers = {stage for table in tables for stage in graph.consumers_of(table["path"])}
        return {"name": name, "kind": "row", "places": tables} | _outputs_by_kind(
            graph, graph.downstream(*readers)
        )
    names = [*graph.records, *graph.producers, *_sources(graph), *_keys(graph)]
    raise LineageError(
        f"the records contain no stage, path, param, source or row {name!r}.{nearest(name, names)}"
    )


def _meanings(name: str, graph: Graph, root: Path) -> Iterator[tuple[str, list[str]]]:
    """The kinds of things that `name` may refer to, each with the stages that use it directly."""
    yield "stage", [name] if name in graph.records else []
    yield "source", [stage for stage, pins in _pins(graph) if name in pins]
    yield "param", _param(name, graph, root)
    yield "code", _code(name, graph, root)
    yield "path", [*graph.producers_of(name), *graph.consumers_of(name)]


def _pins(graph: Graph) -> Iterator[tuple[str, set[str]]]:
    """Each stage with all identifiers of its pinned sources: name, name with version, digest."""
    for stage, record in graph.records.items():
        names = set[str]()
        for pin in record.sources:
            source = str(pin.get("name") or pin.get("path") or "")
            version = pin.get("version") or pin.get("revision")
            names |= {source, f"{source}=={version}", f"{source}@{version}"}
            names.add(str(pin.get("sha256", "")))
        yield stage, names - {""}


def _sources(graph: Graph) -> set[str]:
    return {name for _, names in _pins(graph) for name in names}


def _keys(graph: Graph) -> set[str]:
    return {key for record in graph.records.values() for key in record.params}


def _param(name: str, graph: Graph, root: Path) -> list[str]:
    """The stages that declare the param `name`, a section that contains it, or a key inside it."""
    if value_of_key(params.read(root / paths.PARAMS), name) is None:
        return []
    dotted = f"{name}."
    return [
        stage
        for stage, record in graph.records.items()
        if any(dotted.startswith(f"{k}.") or f"{k}.".startswith(dotted) for k in record.params)
    ]


def _code(name: str, graph: Graph, root: Path) -> list[str]:
    """The stages whose code includes the source file `name`, or a file in the folder `name`."""
    if not name.startswith(f"{paths.SOURCE}/"):
        return []
    return [
        stage
        for stage, record in graph.records.items()
        for path in record.inputs
        if path.startswith(f"{paths.CODE}/")
        and (root / path).exists()
        and any(paths.overlap(f"{paths.SOURCE}/{f}", name) for f in read_code(root / path).files)
    ]


def _outputs_by_kind(graph: Graph, stages: list[str]) -> dict[str, Any]:
    outs = sorted(out for stage in stages for out in graph.records[stage].outputs)
    return {
        "stages": stages,
        **{kind: [out for out in outs if out.startswith(f"{kind}/")] for kind in KINDS},
    }


def tables_with_row(name: str, graph: Graph, root: Path = Path()) -> list[dict[str, Any]]:
    """The recorded tables in the workspace that contain the row with the id `name`.

    For each table, the result contains the number of rows with this id, the number of rows derived
    from that row, and the number of preference pairs that contain it.
    """
    results = []
    for out in graph.producers:
        path = root / out
        tables = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        for table in (t for t in tables if t.suffix == ".parquet" and t.exists()):
            counts = _counts(table, name)
            if any(counts.values()):
                results.append({"path": str(table.relative_to(root)), **counts})
    return sorted(results, key=lambda table: str(table["path"]))


def _counts(table: Path, name: str) -> dict[str, int]:
    try:
        columns = [column for column in IDS if column in pq.read_schema(table).names]
        content = pq.read_table(table, columns=columns)
    except (pa.ArrowException, OSError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(
            f"{table} is not a Parquet table: {problem}; `dvc checkout` restores it"
        ) from None
    if "id" not in columns or not pa.types.is_string(content.schema.field("id").type):
        return {}
    ids = content["id"]

    def count(mask: Any) -> int:
        return int(pc.sum(mask).as_py() or 0)

    pairs = pc.or_(pc.starts_with(ids, f"{name}>"), pc.ends_with(ids, f">{name}"))
    derived = count(pc.equal(content["parent"], name)) if "parent" in columns else 0
    return {"rows": count(pc.equal(ids, name)), "derived": derived, "pairs": count(pairs)}


def to_text(result: dict[str, Any]) -> list[str]:
    """The result of `query` as lines of text."""
    name, kind, stages = result["name"], result["kind"], result["stages"]
    lines = [f"{name} ({kind}): {counted(len(stages), 'dependent stage')}"]
    for table in result.get("places", ()):
        nouns = {"rows": "row", "derived": "derived row", "pairs": "pair"}
        counts = [counted(table[key], noun) for key, noun in nouns.items() if table[key]]
        lines.append(f"  in       {table['path']}: {', '.join(counts)}")
    for kind in KINDS:
        lines += [f"  {kind:8} {out}" for out in result[kind]]
    return [*lines, *(f"  stage    {stage}" for stage in stages)]
