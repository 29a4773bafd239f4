"""`tandem lineage diff`: what changed between two revisions, and what of it came first.

A stage's record changes for reasons of its own (params, code, packages, sources, command) or since
what it read was made anew. Reasons of its own are told; the rest follows from them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem.core.errors import TandemError
from tandem.core.io import json_bytes
from tandem.core.paths import RECORDS, SOURCE, is_code
from tandem.core.provenance import Digest, RunRecord, StageCode, bytes_digest
from tandem.engines import code_closure, dvc_stages
from tandem.lineage import revisions
from tandem.lineage.graph import Graph, describes_code, read, record_of
from tandem.lineage.queries import targets

Codes = Mapping[str, StageCode]
NO_CODES: tuple[Codes, Codes] = {}, {}
OWN = ("command", "params", "code", "packages", "sources", "pins", "seed")


def query(first: str, last: str, name: str | None = None) -> dict[str, Any]:
    """The stages that differ between two revisions, upstream of `name` if one is given.

    With a name also its two values, and the first commit in which the stage that made it ran on
    something else or gave something else, with all own reasons until then.

    Raises:
        LineageError: a revision, its records or the name is not known.
    """
    with revisions.files_of(first) as old, revisions.files_of(last) as new:
        before, after = read(old), read(new)
        codes = _codes(old), _codes(new)
        found: dict[str, Any] = {"first": first, "last": last, "name": name}
        stages = [*after.records, *(s for s in before.records if s not in after.records)]
        makers: set[str] = set()
        if name:
            targets_found = [
                targets.find(name, graph, root) for graph, root in ((before, old), (after, new))
            ]
            found["values"] = [target.value for target in targets_found]
            makers = {stage for target in targets_found for stage in target.stages}
            above = {
                stage
                for graph, target in zip((before, after), targets_found, strict=True)
                for stage in graph.upstream(*target.stages)
            }
            stages = [stage for stage in stages if stage in above]
    found["changes"] = list(changes(before, after, stages, codes))
    found["reached"] = _reached(first, last, before, stages, makers) if makers else None
    return found


def changes(
    before: Graph, after: Graph, stages: list[str], codes: tuple[Codes, Codes] = NO_CODES
) -> Iterator[dict[str, Any]]:
    """Of those `stages` that differ what is their own, in the order of the flow.

    `codes` has the code of the stages in both revisions, to name the source files that changed.

    `follows` names the stages whose new outputs they read. Other bytes for no reason are told too.
    """
    # A change of code is reported for the stages that run it, not for the one that describes it.
    known = {**before.records, **after.records}
    stages = [stage for stage in stages if not describes_code(known[stage])]
    differing = {s for s in stages if before.records.get(s) != after.records.get(s)}
    shared = differing & before.records.keys() & after.records.keys()
    unmoved = {s for s in shared if before.records[s].outputs == after.records[s].outputs}
    moved = differing - unmoved
    for stage in (s for s in stages if s in differing):
        old, new = before.records.get(stage), after.records.get(stage)
        if old is None or new is None:
            yield {"stage": stage, "own": {"stage": "added" if new else "removed"}, "follows": []}
            continue
        reasons = dict(own(old, new, codes))
        follows = [other for other in after.needs[stage] if other in moved]
        if not reasons and not follows and stage in moved:
            reasons = {"outputs": dict(_differing(_sha256(old.outputs), _sha256(new.outputs)))}
        yield {"stage": stage, "own": reasons, "follows": follows}


def own(
    old: RunRecord, new: RunRecord, codes: tuple[Codes, Codes] = NO_CODES
) -> Iterator[tuple[str, Any]]:
    """A stage's own reasons to differ: what → key → [before, after]."""
    one, two = _facts(old, codes[0]), _facts(new, codes[1])
    for kind in OWN:
        changed = dict(_differing(one[kind], two[kind]))
        if changed:
            yield kind, changed


def _sha256(known: Mapping[str, Digest]) -> dict[str, str]:
    return {path: digest.sha256 for path, digest in known.items()}


def _codes(root: Path) -> Codes:
    """The code of each stage in a revision, by its path; empty if it cannot be computed."""
    try:
        return code_closure.of_stages(dvc_stages.stages(root), root)
    except (TandemError, OSError):  # a revision of before, or with packages that are not here
        return {}


def _source_files(path: str, digest: Digest, codes: Codes) -> dict[str, str]:
    """The source files behind an input that is code; the input itself where they are not known."""
    code = codes.get(path)
    if code is None or bytes_digest(json_bytes(code.model_dump())) != digest:
        return {path: digest.sha256}
    return {f"{SOURCE}/{name}": sha256 for name, sha256 in code.files.items()}


def _facts(record: RunRecord, codes: Codes) -> dict[str, Mapping[str, Any]]:
    """What is a stage's own, each kind as a flat mapping."""
    return {
        "command": {"command": record.command},
        "params": dict(flat("", record.params)),
        "code": {
            name: sha256
            for path, digest in record.inputs.items()
            if is_code(path)
            for name, sha256 in _source_files(path, digest, codes).items()
        },
        "packages": record.packages,
        "sources": {str(pin.get("name") or pin.get("path")): pin for pin in record.sources},
        "pins": record.pins,
        "seed": {"seed": record.seed},
    }


def flat(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Nested params as `sentiment.train.steps` → 340."""
    if isinstance(value, Mapping) and value:
        for key in value:
            yield from flat(f"{at}.{key}" if at else key, value[key])
    else:
        yield at, value


def _differing(one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for key in sorted({*one, *two}):
        if one.get(key) != two.get(key):
            yield key, [one.get(key), two.get(key)]


def _reached(
    first: str, last: str, before: Graph, stages: list[str], makers: set[str]
) -> dict[str, Any] | None:
    """The first commit in which a record of `makers` is not that of `first`, and what led to it."""
    records = [record_of(stage) for stage in sorted(makers)]
    for commit in revisions.commits_between(first, last, str(RECORDS)):
        if not revisions.git("diff", "--name-only", first, commit.digest, "--", *records):
            continue
        with revisions.files_of(commit.digest) as new:
            found = changes(before, read(new), stages)
            return {"commit": vars(commit), "changes": [each for each in found if each["own"]]}
    return None


def to_text(found: dict[str, Any]) -> list[str]:
    """The answer for people, a line each."""
    told = f" for {found['name']}" if found["name"] else ""
    lines = [f"from {found['first']} to {found['last']}{told}:"]
    if found["name"]:
        lines[0] += f" {_number(found['values'][0])} → {_number(found['values'][1])}"
    if not found["changes"]:
        return [*lines, "  nothing changed"]
    for change in found["changes"]:
        lines += [f"  {line}" for line in _told(change)]
    if found["reached"]:
        commit = found["reached"]["commit"]
        lines.append(f"first reached by {commit['digest'][:10]} {commit['date']} {commit['title']}")
        for change in found["reached"]["changes"]:
            lines += [f"  {line}" for line in _told(change)]
    return lines


def _number(value: Any) -> str:
    return str(value.get("value", value) if isinstance(value, dict) else value)


def _told(change: dict[str, Any]) -> Iterator[str]:
    own = change["own"]
    if "stage" in own:
        yield f"{change['stage']} was {own['stage']}"
        return
    follows = f"follows from {', '.join(change['follows'])}" if change["follows"] else ""
    yield f"{change['stage']}{': ' + follows if follows else ''}"
    for kind, keys in own.items():
        for key, (old, new) in keys.items():
            shown = "changed" if kind == "code" else f"{old} → {new}"
            yield f"  {kind:8} {key}: {shown}"
