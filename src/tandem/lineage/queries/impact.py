"""`tandem lineage impact`: everything that came from a path, a param, a source or a row.

"This data set must be withdrawn: which models, which reports?"
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
from tandem.lineage.graph import Graph, read
from tandem.lineage.queries.targets import nearest

KINDS = ("data", "models", "reports")
IDS = ("id", "parent")
"""Columns that hold ids. A derived row names its parent; a pair's id is `CHOSEN>REJECTED`."""


def query(name: str, root: Path = Path()) -> dict[str, Any]:
    """What came from `name`: the stages below it and their outputs, by kind; of a row, its places.

    Raises:
        LineageError: nothing of this name is known; the nearest known name is offered.
    """
    graph = read(root)
    for kind, stages in _meanings(name, graph, root):
        if stages:
            return {"name": name, "kind": kind} | _below(graph, graph.downstream(*stages))
    places = row(name, graph, root)
    if places:
        read_by = {user for place in places for user in graph.consumers_of(place["path"])}
        return {"name": name, "kind": "row", "places": places} | _below(
            graph, graph.downstream(*read_by)
        )
    known = [*graph.records, *graph.producers, *_sources(graph), *_keys(graph)]
    raise LineageError(
        f"{name!r} is no path, param, source or row that a record knows.{nearest(name, known)}"
    )


def _meanings(name: str, graph: Graph, root: Path) -> Iterator[tuple[str, list[str]]]:
    """What `name` may be, with the stages that it went into first."""
    yield "stage", [name] if name in graph.records else []
    yield "source", [stage for stage, pins in _pins(graph) if name in pins]
    yield "param", _param(name, graph, root)
    yield "code", _code(name, graph, root)
    yield "path", [*graph.producers_of(name), *graph.consumers_of(name)]


def _pins(graph: Graph) -> Iterator[tuple[str, set[str]]]:
    """Each stage with the names that its pinned sources go by."""
    for stage, record in graph.records.items():
        names = set[str]()
        for pin in record.sources:
            own = str(pin.get("name") or pin.get("path") or "")
            version = pin.get("version") or pin.get("revision")
            names |= {own, f"{own}=={version}", f"{own}@{version}", str(pin.get("sha256", ""))}
        yield stage, names - {""}


def _sources(graph: Graph) -> set[str]:
    return {name for _, names in _pins(graph) for name in names}


def _keys(graph: Graph) -> set[str]:
    return {key for record in graph.records.values() for key in record.params}


def _param(name: str, graph: Graph, root: Path) -> list[str]:
    """The stages that read the param `name`, or what is above or below it."""
    if value_of_key(params.read(root / paths.PARAMS), name) is None:
        return []
    dotted = f"{name}."
    return [
        stage
        for stage, record in graph.records.items()
        if any(dotted.startswith(f"{k}.") or f"{k}.".startswith(dotted) for k in record.params)
    ]


def _code(name: str, graph: Graph, root: Path) -> list[str]:
    """The stages whose code includes the source file, or a file of the folder, `name`."""
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


def _below(graph: Graph, stages: list[str]) -> dict[str, Any]:
    outs = sorted(out for stage in stages for out in graph.records[stage].outputs)
    return {
        "stages": stages,
        **{kind: [out for out in outs if out.startswith(f"{kind}/")] for kind in KINDS},
    }


def row(name: str, graph: Graph, root: Path = Path()) -> list[dict[str, Any]]:
    """The tables of recorded outputs, as far as they are here, that hold the row `name`.

    In each: how many rows are the row itself, were derived from it, or are pairs with it.
    """
    found = []
    for out in graph.producers:
        path = root / out
        tables = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        for table in (t for t in tables if t.suffix == ".parquet" and t.exists()):
            counts = _counts(table, name)
            if any(counts.values()):
                found.append({"path": str(table.relative_to(root)), **counts})
    return sorted(found, key=lambda place: str(place["path"]))


def _counts(table: Path, name: str) -> dict[str, int]:
    try:
        columns = [column for column in IDS if column in pq.read_schema(table).names]
        content = pq.read_table(table, columns=columns)
    except (pa.ArrowException, OSError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{table} is no table: {problem}; `dvc checkout` restores it") from None
    if "id" not in columns or not pa.types.is_string(content.schema.field("id").type):
        return {}
    ids = content["id"]

    def count(mask: Any) -> int:
        return int(pc.sum(mask).as_py() or 0)

    pairs = pc.or_(pc.starts_with(ids, f"{name}>"), pc.ends_with(ids, f">{name}"))
    derived = count(pc.equal(content["parent"], name)) if "parent" in columns else 0
    return {"rows": count(pc.equal(ids, name)), "derived": derived, "pairs": count(pairs)}


def to_text(found: dict[str, Any]) -> list[str]:
    """The answer for people, a line each."""
    lines = [f"{found['name']} is a {found['kind']}; {len(found['stages'])} stages come from it"]
    for place in found.get("places", ()):
        told = [f"{place[k]} {k}" for k in ("rows", "derived", "pairs") if place[k]]
        lines.append(f"  stands in {place['path']}: {', '.join(told)}")
    for kind in KINDS:
        lines += [f"  {kind:8} {out}" for out in found[kind]]
    return [*lines, *(f"  stage    {stage}" for stage in found["stages"])]
