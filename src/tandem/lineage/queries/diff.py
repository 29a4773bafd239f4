"""`tandem lineage diff`: what changed between two revisions, and why.

A stage's record changes because the stage itself changed (its params, code, packages, sources or
command), or because an upstream stage wrote a different input. In the result, `own` lists the
changes of the stage itself, and `follows` lists the upstream stages whose outputs changed.
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
KINDS = ("command", "params", "code", "packages", "sources", "pins", "seed")


def query(first: str, last: str, name: str | None = None) -> dict[str, Any]:
    """The stages that differ between two revisions.

    Args:
        first: The older revision.
        last: The newer revision.
        name: A target; None compares all stages. For a target, only the stages that produced it and
            their upstream stages are compared. The result for a target also contains the target's
            value in both revisions, the first commit that changed the record of a stage that
            produced the target, and the changes of the compared stages between the older revision
            and this commit.

    Raises:
        LineageError: a revision does not exist, or contains no records or no record of `name`.
    """
    with revisions.files_of(first) as old, revisions.files_of(last) as new:
        before, after = read(old), read(new)
        codes = _codes(old), _codes(new)
        result: dict[str, Any] = {"first": first, "last": last, "name": name}
        stages = [*after.records, *(s for s in before.records if s not in after.records)]
        producers: set[str] = set()
        if name:
            both = [
                targets.find(name, graph, root) for graph, root in ((before, old), (after, new))
            ]
            result["values"] = [target.value for target in both]
            producers = {stage for target in both for stage in target.stages}
            upstream = {
                stage
                for graph, target in zip((before, after), both, strict=True)
                for stage in graph.upstream(*target.stages)
            }
            stages = [stage for stage in stages if stage in upstream]
    result["changes"] = list(changes(before, after, stages, codes))
    result["reached"] = _reached(first, last, before, stages, producers) if producers else None
    return result


def changes(
    before: Graph, after: Graph, stages: list[str], codes: tuple[Codes, Codes] = NO_CODES
) -> Iterator[dict[str, Any]]:
    """The changes of those `stages` whose records differ, in topological order.

    In each change, `own` contains what changed in the stage itself, and `follows` names the
    upstream stages whose changed outputs the stage reads. Outputs that changed for no known reason
    are also reported.

    Args:
        before: The graph of the older revision.
        after: The graph of the newer revision.
        stages: The stages to compare.
        codes: The code of the stages in both revisions, used to name the changed source files.
    """
    # A code change is reported for the stages that run the code, not for the stage `code`.
    records = {**before.records, **after.records}
    stages = [stage for stage in stages if not describes_code(records[stage])]
    differing = {s for s in stages if before.records.get(s) != after.records.get(s)}
    shared = differing & before.records.keys() & after.records.keys()
    same_outputs = {s for s in shared if before.records[s].outputs == after.records[s].outputs}
    new_outputs = differing - same_outputs
    for stage in (s for s in stages if s in differing):
        old, new = before.records.get(stage), after.records.get(stage)
        if old is None or new is None:
            yield {"stage": stage, "own": {"stage": "added" if new else "removed"}, "follows": []}
            continue
        reasons = dict(own_reasons(old, new, codes))
        follows = [needed for needed in after.needs[stage] if needed in new_outputs]
        if not reasons and not follows and stage in new_outputs:
            reasons = {"outputs": dict(_differing(_sha256(old.outputs), _sha256(new.outputs)))}
        yield {"stage": stage, "own": reasons, "follows": follows}


def own_reasons(
    old: RunRecord, new: RunRecord, codes: tuple[Codes, Codes] = NO_CODES
) -> Iterator[tuple[str, Any]]:
    """What changed in a stage itself, such as its params: kind → key → [before, after]."""
    old_facts, new_facts = _facts(old, codes[0]), _facts(new, codes[1])
    for kind in KINDS:
        changed = dict(_differing(old_facts[kind], new_facts[kind]))
        if changed:
            yield kind, changed


def _sha256(digests: Mapping[str, Digest]) -> dict[str, str]:
    return {path: digest.sha256 for path, digest in digests.items()}


def _codes(root: Path) -> Codes:
    """Path in workflow/code → the code of a stage in a revision; empty if the code is unknown."""
    try:
        return code_closure.of_stages(dvc_stages.stages(root), root)
    except (TandemError, OSError):  # an old project format, or missing packages
        return {}


def _source_files(path: str, digest: Digest, codes: Codes) -> dict[str, str]:
    """The source files listed in a workflow/code file; that file itself if the list is unknown."""
    code = codes.get(path)
    if code is None or bytes_digest(json_bytes(code.model_dump())) != digest:
        return {path: digest.sha256}
    return {f"{SOURCE}/{name}": sha256 for name, sha256 in code.files.items()}


def _facts(record: RunRecord, codes: Codes) -> dict[str, Mapping[str, Any]]:
    """What a record says about the stage itself, such as its params: kind → flat mapping."""
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


def flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted key → value of nested params, such as `sentiment.train.max_steps` → 340."""
    if isinstance(value, Mapping) and value:
        for key in value:
            yield from flat(f"{prefix}.{key}" if prefix else key, value[key])
    else:
        yield prefix, value


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield key, [old.get(key), new.get(key)]


def _reached(
    first: str, last: str, before: Graph, stages: list[str], producers: set[str]
) -> dict[str, Any] | None:
    """The first commit that changed a record of `producers`; the changes of `stages` until then."""
    records = [record_of(stage) for stage in sorted(producers)]
    for commit in revisions.commits_between(first, last, str(RECORDS)):
        if not revisions.git("diff", "--name-only", first, commit.digest, "--", *records):
            continue
        with revisions.files_of(commit.digest) as new:
            until_then = changes(before, read(new), stages)
            return {"commit": vars(commit), "changes": [c for c in until_then if c["own"]]}
    return None


def to_text(result: dict[str, Any]) -> list[str]:
    """The result of `query` as lines of text."""
    target = f" for {result['name']}" if result["name"] else ""
    lines = [f"from {result['first']} to {result['last']}{target}:"]
    if result["name"]:
        lines[0] += f" {_number(result['values'][0])} → {_number(result['values'][1])}"
    if not result["changes"]:
        return [*lines, "  nothing changed"]
    for change in result["changes"]:
        lines += [f"  {line}" for line in _change_lines(change)]
    if result["reached"]:
        commit = result["reached"]["commit"]
        lines.append(f"first changed by {commit['digest'][:10]} {commit['date']} {commit['title']}")
        for change in result["reached"]["changes"]:
            lines += [f"  {line}" for line in _change_lines(change)]
    return lines


def _number(value: Any) -> str:
    return str(value.get("value", value) if isinstance(value, dict) else value)


def _change_lines(change: dict[str, Any]) -> Iterator[str]:
    """The changes to a stage, as lines of text."""
    own = change["own"]
    if "stage" in own:
        yield f"{change['stage']} was {own['stage']}"
        return
    follows = ", ".join(change["follows"])
    reason = f": because the outputs of {follows} changed" if follows else ""
    yield f"{change['stage']}{reason}"
    for kind, keys in own.items():
        for key, (old, new) in keys.items():
            shown = "changed" if kind == "code" else f"{old} → {new}"
            yield f"  {kind:8} {key}: {shown}"
