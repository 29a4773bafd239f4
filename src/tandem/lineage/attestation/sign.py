"""Sign the records of a revision, so that anyone with the public key can verify them.

    tandem attest ~/.ssh/id_ed25519     →  attestation.jsonl

Each line is a DSSE 1.0 envelope of an in-toto Statement v1 whose predicate is SLSA Provenance v1.
There is one line per stage, in topological order, then one for the revision. The last line names
every record, so that missing and added lines are detected. Ed25519 signatures are deterministic, so
the same revision and key give the same bytes. `tandem.lineage.attestation.bundle` verifies the
file.

The statement of a stage has these fields:

subject               the files that the stage wrote, and its record
externalParameters    stage, command, params
internalParameters    seed, pinned thread count and instruction set, packages
resolvedDependencies  inputs (for a folder, the digest of its list of files, and `nfiles`),
                      pinned sources, the Git commit
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope

from tandem.core import io, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest, RunRecord
from tandem.lineage import external_refs
from tandem.lineage.attestation import keys
from tandem.lineage.attestation.statements import (
    PAYLOAD_TYPE,
    REVISION,
    STAGE,
    BuildDefinition,
    Builder,
    BuildType,
    Predicate,
    Resource,
    RunDetails,
    Statement,
    Subject,
)
from tandem.lineage.graph import Graph, contents, files_of, parse

FILES = (paths.DAG, paths.LOCK, paths.PARAMS, paths.REQUIREMENTS)
SUMMARY = Path("reports/summary.json")


def attest(key: str, to: str = "attestation.jsonl") -> dict[str, Any]:
    """Sign the records, all of which must be committed, and write them as a bundle of statements.

    Args:
        key: The path of an Ed25519 private key.
        to: The path of the bundle to write.

    Returns:
        `file` (the path of the bundle), `statements` (the number of statements in it) and `commit`
        (the commit that they describe).

    Raises:
        LineageError: the key cannot be used, `to` has no suffix, there are no records, or there
            are uncommitted changes in a file that Git tracks or that a record names.
        StageError: a file that every revision must contain, such as dvc.yaml, is missing.
    """
    if not Path(to).suffix:
        raise LineageError(f"--to {to} must name a file with a suffix, such as attestation.jsonl")
    signer = keys.signer(Path(key))
    records = contents(Path())
    graph = Graph.of(parse(content, Path(path)) for path, content in records.items())
    commit = _committed(Path(), graph, ignore=to)
    lines = [seal(s, signer) for s in statements(Path(), graph, records, commit)]
    with io.atomic_outputs(Path(to)) as (partial,):
        io.write_bytes(partial, b"".join(lines))
    return {"file": to, "statements": len(lines), "commit": commit}


def statements(
    root: Path, graph: Graph, records: Mapping[str, bytes], commit: str
) -> list[Statement]:
    """One statement per stage, in topological order, then the statement of the revision.

    Args:
        root: The project's folder.
        graph: The graph of the records.
        records: Path → content of each record.
        commit: The commit of the revision.
    """
    paths_of = {parse(content, Path(path)).stage: path for path, content in records.items()}
    stages = [
        of_stage(record, paths_of[name], records[paths_of[name]], commit)
        for name, record in graph.records.items()
    ]
    return [*stages, of_revision(root, list(graph.records), records, commit)]


def of_stage(record: RunRecord, path: str, content: bytes, commit: str) -> Statement:
    """The statement of one stage, built from its record and the record file's path and content."""
    subjects = {
        f"{out}/{name}" if name else out: digest.sha256
        for out, output in record.outputs.items()
        for name, digest in files_of(output).items()
    }
    return _statement(
        STAGE,
        subjects | {path: _sha256(content)},
        {"stage": record.stage, "command": record.command, "params": record.params},
        {"seed": record.seed, "pins": record.pins, "packages": record.packages},
        [
            *(_input(name, record.inputs[name]) for name in sorted(record.inputs)),
            *(
                Resource(name=source.name, uri=source.uri or None, digest=dict(source.digest))
                for source in external_refs.sources([record])
            ),
            _git(commit),
        ],
    )


def of_revision(
    root: Path, stages: list[str], records: Mapping[str, bytes], commit: str
) -> Statement:
    """The statement of the revision, which lists its files, its records and its stages."""
    for path in FILES:
        io.require_exists(root / path)
    files = [*FILES, *([SUMMARY] if (root / SUMMARY).exists() else [])]
    subjects = {str(path): _sha256((root / path).read_bytes()) for path in files}
    subjects |= {path: _sha256(content) for path, content in records.items()}
    return _statement(REVISION, subjects, {"stages": stages}, {}, [_git(commit)])


def seal(statement: Statement, signer: keys.Signer) -> bytes:
    """Sign a statement, and return it as a line of the bundle."""
    envelope = Envelope(statement.payload(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return to_line(envelope)


def to_line(envelope: Envelope) -> bytes:
    """The only accepted form of an envelope in a bundle: JSON with sorted keys, on one line."""
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _statement(
    build_type: BuildType,
    subjects: Mapping[str, str],
    external: dict[str, Any],
    internal: dict[str, Any],
    dependencies: list[Resource],
) -> Statement:
    return Statement(
        subject=[Subject(name=n, digest={"sha256": subjects[n]}) for n in sorted(subjects)],
        predicate=Predicate(
            build_definition=BuildDefinition(
                build_type=build_type,
                external_parameters=external,
                internal_parameters=internal,
                resolved_dependencies=dependencies,
            ),
            run_details=RunDetails(builder=Builder()),
        ),
    )


def _input(name: str, digest: Digest) -> Resource:
    annotations = None if digest.nfiles is None else {"nfiles": digest.nfiles}
    return Resource(name=name, digest={"sha256": digest.sha256}, annotations=annotations)


def _git(commit: str) -> Resource:
    return Resource(name="git", digest={"gitCommit": commit})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _committed(root: Path, graph: Graph, ignore: str) -> str:
    """The hash of the current commit.

    Raises:
        LineageError: there is no commit, or there are uncommitted changes in a file that Git
            tracks or that a record names; the file `ignore` is not checked.
    """
    commit = external_refs.last_commit(root).commit
    if not commit:
        raise LineageError("there is no commit to attest: commit the records first")
    inputs = {path for record in graph.records.values() for path in record.inputs}
    named = [*inputs, *map(str, FILES), str(SUMMARY), str(paths.RECORDS)]
    for state, path in external_refs.changes(root):
        matters = state != "??" or any(paths.overlap(path, name) for name in named)
        if matters and path != str(Path(ignore)):
            raise LineageError(
                f"{path} has uncommitted changes: commit them, then run `tandem attest` again"
            )
    return commit
