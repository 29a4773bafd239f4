"""Verify a bundle of signed statements. A bundle that is changed or incomplete is rejected."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error, VerificationError

from tandem.core.errors import LineageError
from tandem.lineage.attestation import keys
from tandem.lineage.attestation.sign import to_line
from tandem.lineage.attestation.statements import PAYLOAD_TYPE, Statement


@dataclass(frozen=True)
class Bundle:
    """The statements of one revision, all signed with the same key."""

    stages: Mapping[str, Statement]
    """Stage → its statement, in topological order of the stages."""
    revision: Statement


def read_bundle(path: Path, public_key: Path) -> Bundle:
    """The statements in the file `path`, verified with the public key in the file `public_key`.

    Raises:
        LineageError: a line is cut off, changed, signed with another key, or not a Tandem
            statement; or statements are missing, superfluous or out of order.
    """
    key = keys.public(public_key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LineageError(f"cannot read the bundle {path}: {error.strerror}") from None
    if not content.endswith(b"\n"):
        raise LineageError(f"{path} is cut off: its last line has no line break")
    lines = content[:-1].split(b"\n")
    statements = [
        _open(line, key, f"{path}, line {number}") for number, line in enumerate(lines, start=1)
    ]
    return _complete(statements, path)


def _open(line: bytes, key: keys.Key, where: str) -> Statement:
    """Verify one line of a bundle, and return its statement."""
    try:
        envelope = Envelope.from_dict(json.loads(line))
        unchanged = to_line(envelope) == line + b"\n"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Error):
        raise LineageError(f"{where}, is not a DSSE envelope: it was changed or cut off") from None
    where = f"{where} ({_claimed(envelope)})"
    if not unchanged:
        raise LineageError(f"{where}, is not in canonical form: it was changed after signing")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise LineageError(f"{where}, is not an in-toto statement but {envelope.payload_type!r}")
    if {*envelope.signatures} != {key.keyid}:
        raise LineageError(f"{where}, must be signed with the given key, and with no other")
    try:
        envelope.verify([key], 1)
    except VerificationError:
        raise LineageError(
            f"{where}, has an invalid signature: the statement or signature was changed"
        ) from None
    try:
        return Statement.model_validate_json(envelope.payload, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise LineageError(f"{where}, is not a Tandem statement: {field} {first['msg']}") from None


def _claimed(envelope: Envelope) -> str:
    """The stage that an envelope claims to be about; for messages only: the claim is unverified."""
    try:
        payload = json.loads(envelope.payload)
        external = payload["predicate"]["buildDefinition"]["externalParameters"]
        return f"{external['stage']:.80}" if "stage" in external else "the revision"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no stage"


def _complete(statements: list[Statement], path: Path) -> Bundle:
    """Check that each stage that the last statement lists has one statement; return the bundle."""
    *stages, revision = statements
    if not revision.is_revision or any(statement.is_revision for statement in stages):
        raise LineageError(
            f"{path}: the last statement, and only the last, must be about the revision"
        )

    # Check that each stage of the revision has one statement, and that the statements are in order.
    names = [statement.stage for statement in stages]
    expected: list[str] = revision.external["stages"]
    for name, times in Counter(names).items():
        if times > 1:
            raise LineageError(f"{path}: {name} has {times} statements")
    for name in sorted({*names} ^ {*expected}):
        problem = "is missing" if name in {*expected} else "is not part of this revision"
        raise LineageError(f"{path}: the statement of {name} {problem}")
    if names != expected:
        raise LineageError(f"{path}: the statements are not in the order in which they were signed")

    # Check that each record of the revision has one statement, with the commit of the revision.
    records = revision.records
    for statement in stages:
        ((record, sha256),) = statement.records.items()
        if records.pop(record, None) != sha256 or statement.commit != revision.commit:
            raise LineageError(
                f"{path}: the statement of {statement.stage} belongs to another revision"
            )
    for record in records:
        raise LineageError(f"{path}: no statement covers {record}")
    return Bundle(dict(zip(names, stages, strict=True)), revision)
