"""Read a bundle of signed statements back, whole and unchanged, or not at all."""

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
from tandem.lineage.attestation.sign import line
from tandem.lineage.attestation.statements import PAYLOAD_TYPE, Statement


@dataclass(frozen=True)
class Bundle:
    """The statements of one revision, all signed with one key, which belong together."""

    stages: Mapping[str, Statement]
    """By stage, in the order of the flow."""
    revision: Statement


def read_bundle(path: Path, public_key: Path) -> Bundle:
    """The statements in the file `path`, each checked with the key in the file `public_key`.

    Raises:
        LineageError: a line is cut off, changed, signed with another key or no statement of ours;
            or the lines are not those that the revision's own statement names.
    """
    key = keys.public(public_key)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LineageError(f"cannot read the bundle {path}: {error.strerror}") from None
    if not content.endswith(b"\n"):
        raise LineageError(f"{path} is cut off: its last line has no end")
    lines = content[:-1].split(b"\n")
    found = [_opened(raw, key, f"{path}, line {at}") for at, raw in enumerate(lines, start=1)]
    return _whole(found, path)


def _opened(raw: bytes, key: keys.Key, where: str) -> Statement:
    """The statement in one line."""
    try:
        envelope = Envelope.from_dict(json.loads(raw))
        same = line(envelope) == raw + b"\n"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Error):
        raise LineageError(f"{where}, is not an envelope: it was changed or cut off") from None
    where = f"{where} ({_claimed(envelope)})"
    if not same:
        raise LineageError(f"{where}, is not written as it was signed: it was changed")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise LineageError(f"{where}, holds no in-toto statement but {envelope.payload_type!r}")
    if {*envelope.signatures} != {key.keyid}:
        raise LineageError(f"{where}, is not signed with the given key alone")
    try:
        envelope.verify([key], 1)
    except VerificationError:
        raise LineageError(
            f"{where}, does not verify: it or its signature was changed after signing"
        ) from None
    try:
        return Statement.model_validate_json(envelope.payload, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise LineageError(f"{where}, is no statement of Tandem's: {at} {first['msg']}") from None


def _claimed(envelope: Envelope) -> str:
    """What an envelope that is not yet checked says it is about."""
    try:
        payload = json.loads(envelope.payload)
        external = payload["predicate"]["buildDefinition"]["externalParameters"]
        return f"{external['stage']:.80}" if "stage" in external else "the revision"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "of no stage"


def _whole(found: list[Statement], path: Path) -> Bundle:
    """Hold the statements to the revision's own."""
    *stages, revision = found
    if not revision.is_revision or any(each.is_revision for each in stages):
        raise LineageError(f"{path}: the one statement of the revision must stand last, and once")
    names = [each.stage for each in stages]
    wanted: list[str] = revision.external["stages"]
    for name, times in Counter(names).items():
        if times > 1:
            raise LineageError(f"{path}: {name} has {times} statements")
    for name in sorted({*names} ^ {*wanted}):
        problem = "is missing" if name in {*wanted} else "is not of this revision"
        raise LineageError(f"{path}: the statement of {name} {problem}")
    if names != wanted:
        raise LineageError(f"{path}: the statements are not in the order they were signed in")
    records = revision.records
    for each in stages:
        ((record, sha256),) = each.records.items()
        if records.pop(record, None) != sha256 or each.commit != revision.commit:
            raise LineageError(f"{path}: the statement of {each.stage} is of another revision")
    for record in records:
        raise LineageError(f"{path}: no statement is of {record}")
    return Bundle(dict(zip(names, stages, strict=True)), revision)
