"""Sign the records of a revision, so that whoever has the public key can check all of them.

    tandem attest ~/.ssh/id_ed25519     →  attestation.jsonl

A line is a DSSE envelope 1.0 around an in-toto Statement v1 with SLSA provenance v1; one line a
stage, in the order of the flow, then one for the revision, which names every record: so neither a
line too few nor one too many goes unseen. Ed25519 has no random part, hence the same revision and
key give the same bytes. `tandem.lineage.attestation.bundle` reads them back.

subjects              each file that the stage wrote, and its record
externalParameters    stage, command, params
internalParameters    seed, pins of threads and instruction set, packages
resolvedDependencies  inputs (a folder by the digest of the list of its files, with `nfiles`),
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
    """Write the signed statements of the records here, all of which must be committed.

    Returns:
        `file`, the number of `statements` in it, and the `commit` that they are about.

    Raises:
        LineageError: the key cannot be used, `to` has no suffix, there is no record, or what the
            records speak of is not what the commit has.
        StageError: a file that every revision has is missing.
    """
    if not Path(to).suffix:
        raise LineageError(f"--to {to} must name a file with a suffix, as attestation.jsonl")
    signer = keys.signer(Path(key))
    known = contents(Path())
    graph = Graph.of(parse(content, Path(path)) for path, content in known.items())
    revision = _committed(Path(), graph, ignore=to)
    lines = [seal(each, signer) for each in statements(Path(), graph, known, revision)]
    with io.atomic_outputs(Path(to)) as (partial,):
        io.write_bytes(partial, b"".join(lines))
    return {"file": to, "statements": len(lines), "commit": revision}


def statements(
    root: Path, graph: Graph, known: Mapping[str, bytes], commit: str
) -> list[Statement]:
    """What is to be signed: a statement a stage in the order of the flow, then the revision's."""
    where = {parse(content, Path(path)).stage: path for path, content in known.items()}
    stages = [
        of_stage(record, where[name], known[where[name]], commit)
        for name, record in graph.records.items()
    ]
    return [*stages, of_revision(root, list(graph.records), known, commit)]


def of_stage(record: RunRecord, path: str, content: bytes, commit: str) -> Statement:
    """The statement of one record, which lies at `path` and has the bytes `content`."""
    subjects = {
        f"{out}/{name}" if name else out: digest.sha256
        for out, whole in record.outputs.items()
        for name, digest in files_of(whole).items()
    }
    return _statement(
        STAGE,
        subjects | {path: _sha256(content)},
        {"stage": record.stage, "command": record.command, "params": record.params},
        {"seed": record.seed, "pins": record.pins, "packages": record.packages},
        [
            *(_input(name, record.inputs[name]) for name in sorted(record.inputs)),
            *(
                Resource(name=each.name, uri=each.uri or None, digest=dict(each.digest))
                for each in external_refs.sources([record])
            ),
            _git(commit),
        ],
    )


def of_revision(
    root: Path, stages: list[str], known: Mapping[str, bytes], commit: str
) -> Statement:
    """The statement over the whole revision: its files, its records, its stages in their order."""
    for path in FILES:
        io.require_exists(root / path)
    files = [*FILES, *([SUMMARY] if (root / SUMMARY).exists() else [])]
    subjects = {str(path): _sha256((root / path).read_bytes()) for path in files}
    subjects |= {path: _sha256(content) for path, content in known.items()}
    return _statement(REVISION, subjects, {"stages": stages}, {}, [_git(commit)])


def seal(statement: Statement, signer: keys.Signer) -> bytes:
    """A statement's line of the bundle."""
    envelope = Envelope(statement.payload(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return line(envelope)


def line(envelope: Envelope) -> bytes:
    """The one form in which an envelope stands in a bundle."""
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _statement(
    kind: BuildType,
    subjects: Mapping[str, str],
    external: dict[str, Any],
    internal: dict[str, Any],
    needed: list[Resource],
) -> Statement:
    return Statement(
        subject=[Subject(name=n, digest={"sha256": subjects[n]}) for n in sorted(subjects)],
        predicate=Predicate(
            build_definition=BuildDefinition(
                build_type=kind,
                external_parameters=external,
                internal_parameters=internal,
                resolved_dependencies=needed,
            ),
            run_details=RunDetails(builder=Builder()),
        ),
    )


def _input(name: str, digest: Digest) -> Resource:
    folder = None if digest.nfiles is None else {"nfiles": digest.nfiles}
    return Resource(name=name, digest={"sha256": digest.sha256}, annotations=folder)


def _git(commit: str) -> Resource:
    return Resource(name="git", digest={"gitCommit": commit})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _committed(root: Path, graph: Graph, ignore: str) -> str:
    """The commit at hand, if it has all that the records speak of and Git carries."""
    commit = external_refs.last_commit(root).commit
    if not commit:
        raise LineageError("there is no commit to attest: commit the records first")
    inputs = {path for record in graph.records.values() for path in record.inputs}
    spoken = [*inputs, *map(str, FILES), str(SUMMARY), str(paths.RECORDS)]
    for state, path in external_refs.changes(root):
        named = state != "??" or any(paths.overlap(path, known) for known in spoken)
        if named and path != str(Path(ignore)):
            raise LineageError(f"{path} is not as the commit has it: commit it, then attest")
    return commit
