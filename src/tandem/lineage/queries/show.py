"""`tandem lineage show`: everything behind an artifact or a number, back to its pinned sources."""

from pathlib import Path
from typing import Any

from tandem.core.paths import is_code
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import revisions
from tandem.lineage.graph import Graph, describes_code, read, record_of
from tandem.lineage.queries import targets

SHORT = 12
"""Digits of a digest that are shown; `--json` has all."""


def query(name: str, root: Path = Path()) -> dict[str, Any]:
    """What is behind `name`: its value, pinned sources, and each stage's record with its commit.

    Raises:
        LineageError: no record knows the name.
    """
    graph = read(root)
    target = targets.find(name, graph, root)
    # The code of each stage is one of its inputs; the stage that lists it adds nothing to that.
    found = graph.upstream(*target.stages)
    stages = [s for s in found if s in target.stages or not describes_code(graph.records[s])]
    commits = revisions.commits_of_records(root)
    return {
        "name": name,
        "value": target.value,
        "sources": sources(graph, stages),
        "stages": [
            graph.records[stage].model_dump(exclude_none=True)
            | {"commit": vars(commits[path]) if (path := record_of(stage)) in commits else None}
            for stage in [*stages, *(s for s in target.passing if s not in stages)]
        ],
    }


def sources(graph: Graph, stages: list[str]) -> list[dict[str, Any]]:
    """The pins among the params of `stages`, each once, with the stages that fetched it."""
    found: dict[str, dict[str, Any]] = {}
    for stage in stages:
        for pin in graph.records[stage].sources:
            found.setdefault(repr(sorted(pin.items())), {**pin, "fetched_by": []})[
                "fetched_by"
            ].append(stage)
    return [found[key] for key in sorted(found)]


def to_text(found: dict[str, Any]) -> list[str]:
    """The answer for people, a line each."""
    lines = [headline(found), ""]
    for number, stage in enumerate(found["stages"], start=1):
        record = RunRecord.model_validate({k: v for k, v in stage.items() if k != "commit"})
        lines += [f"{number:3}. {record.stage}", *_told(record, stage["commit"]), ""]
    lines.append("Pinned sources:")
    lines += [f"     {pin_line(pin)}" for pin in found["sources"]] or ["     none recorded"]
    return lines


def headline(found: dict[str, Any]) -> str:
    """The name and, of a number, its value with its interval."""
    value = found["value"]
    shown = ""
    if isinstance(value, dict) and isinstance(value.get("value"), int | float):
        shown = f" = {value['value']:.6g}"
        if {"low", "high", "n"} <= {key for key, known in value.items() if known is not None}:
            shown += f" ({value['low']:.6g} to {value['high']:.6g}, n {value['n']})"
    elif value is not None:
        shown = f" = {value}"
    return (
        f"{found['name']}{shown}: {len(found['stages'])} stages, in the order in which data flows"
    )


def pin_line(pin: dict[str, Any]) -> str:
    """A pinned source: what, which version, which bytes, fetched by whom."""
    what = pin.get("name") or pin.get("path") or pin.get("url") or "?"
    version = pin.get("version") or pin.get("revision") or ""
    digest = f"sha256 {pin['sha256']}" if "sha256" in pin else ""
    by = ", ".join(pin["fetched_by"])
    return " ".join(part for part in (what, version, digest, f"({by})") if part)


def _told(record: RunRecord, commit: dict[str, str] | None) -> list[str]:
    known = {path: digest for path, digest in record.inputs.items() if is_code(path)}
    data = {path: digest for path, digest in record.inputs.items() if path not in known}
    when = f"{commit['digest'][:SHORT]} {commit['title']}" if commit else "not committed"
    packages = ", ".join(f"{name} {version}" for name, version in record.packages.items())
    return [
        f"     command  {record.command}",
        *(f"     read     {path}  {_short(digest)}" for path, digest in data.items()),
        *(f"     wrote    {path}  {_short(digest)}" for path, digest in record.outputs.items()),
        f"     params   {', '.join(record.params) or 'none'}; seed {record.seed}",
        f"     code     {', '.join(f'{path} {_short(d)}' for path, d in known.items())}",
        f"     packages {packages}",
        f"     commit   {when}",
    ]


def _short(digest: Digest) -> str:
    return digest.sha256[:SHORT]
