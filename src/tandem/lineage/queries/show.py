"""`tandem lineage show`: the lineage of an artifact or a number, back to its pinned sources."""

from pathlib import Path
from typing import Any

from tandem.core.paths import is_code
from tandem.core.provenance import Digest, RunRecord
from tandem.core.wording import counted
from tandem.lineage import revisions
from tandem.lineage.graph import Graph, describes_code, read, record_of
from tandem.lineage.queries import targets

SHORT = 12
"""The number of digits of each digest that the text output shows; `--json` prints all digits."""


def query(name: str, root: Path = Path()) -> dict[str, Any]:
    """The value of `name`, and the sources, records and commits of the stages that it depends on.

    Raises:
        LineageError: the records do not contain `name`.
    """
    graph = read(root)
    target = targets.find(name, graph, root)
    # The stage `code`, which is upstream of all other stages, is left out, because the record of
    # each stage already lists the stage's code among its inputs.
    upstream = graph.upstream(*target.stages)
    stages = [s for s in upstream if s in target.stages or not describes_code(graph.records[s])]
    commits = revisions.commits_of_records(root)
    return {
        "name": name,
        "value": target.value,
        "sources": sources(graph, stages),
        "stages": [
            graph.records[stage].model_dump(exclude_none=True)
            | {"commit": vars(commits[path]) if (path := record_of(stage)) in commits else None}
            for stage in [*stages, *(s for s in target.copied_by if s not in stages)]
        ],
    }


def sources(graph: Graph, stages: list[str]) -> list[dict[str, Any]]:
    """The distinct pinned sources of `stages`, each with the stages that fetched it."""
    by_key: dict[str, dict[str, Any]] = {}
    for stage in stages:
        for pin in graph.records[stage].sources:
            key = repr(sorted(pin.items()))
            by_key.setdefault(key, {**pin, "fetched_by": []})["fetched_by"].append(stage)
    return [by_key[key] for key in sorted(by_key)]


def to_text(result: dict[str, Any]) -> list[str]:
    """The result of `query` as lines of text."""
    lines = [headline(result), ""]
    for number, stage in enumerate(result["stages"], start=1):
        record = RunRecord.model_validate({k: v for k, v in stage.items() if k != "commit"})
        lines += [f"{number:3}. {record.stage}", *_record_lines(record, stage["commit"]), ""]
    lines.append("Pinned sources:")
    lines += [f"     {pin_line(pin)}" for pin in result["sources"]] or ["     none recorded"]
    return lines


def headline(result: dict[str, Any]) -> str:
    """The target's name, value, confidence interval (if it has one) and number of stages."""
    value = result["value"]
    shown = ""
    if isinstance(value, dict) and isinstance(value.get("value"), int | float):
        shown = f" = {value['value']:.6g}"
        if {"low", "high", "n"} <= {key for key, entry in value.items() if entry is not None}:
            shown += f" ({value['low']:.6g} to {value['high']:.6g}, n {value['n']})"
    elif value is not None:
        shown = f" = {value}"
    return (
        f"{result['name']}{shown}: {counted(len(result['stages']), 'stage')}, in topological order"
    )


def pin_line(pin: dict[str, Any]) -> str:
    """The name, version and digest of a pinned source, and the stages that fetched it."""
    name = pin.get("name") or pin.get("path") or pin.get("url") or "?"
    version = pin.get("version") or pin.get("revision") or ""
    digest = f"sha256 {pin['sha256']}" if "sha256" in pin else ""
    by = ", ".join(pin["fetched_by"])
    return " ".join(part for part in (name, version, digest, f"({by})") if part)


def _record_lines(record: RunRecord, commit: dict[str, str] | None) -> list[str]:
    """The record of a stage as lines of text."""
    code = {path: digest for path, digest in record.inputs.items() if is_code(path)}
    data = {path: digest for path, digest in record.inputs.items() if path not in code}
    commit_text = f"{commit['digest'][:SHORT]} {commit['title']}" if commit else "not committed"
    packages = ", ".join(f"{name} {version}" for name, version in record.packages.items())
    return [
        f"     command  {record.command}",
        *(f"     read     {path}  {_short(digest)}" for path, digest in data.items()),
        *(f"     wrote    {path}  {_short(digest)}" for path, digest in record.outputs.items()),
        f"     params   {', '.join(record.params) or 'none'}; seed {record.seed}",
        f"     code     {', '.join(f'{path} {_short(d)}' for path, d in code.items())}",
        f"     packages {packages}",
        f"     commit   {commit_text}",
    ]


def _short(digest: Digest) -> str:
    return digest.sha256[:SHORT]
