"""Whether the workspace is still what was signed: each statement is made anew and compared."""

from collections.abc import Iterator
from pathlib import Path

from tandem.core.errors import TandemError
from tandem.lineage.attestation import sign
from tandem.lineage.attestation.bundle import Bundle
from tandem.lineage.attestation.statements import Statement
from tandem.lineage.audit.findings import Finding
from tandem.lineage.graph import contents, parse, record_of


def differences(bundle: Bundle, root: Path = Path()) -> Iterator[Finding]:
    """The records and files of the revision that are not those of the bundle.

    Artifacts are not looked at here: the audit holds them to the records.
    """
    for name, statement in bundle.stages.items():
        path = record_of(name)
        if not (root / path).is_file():
            yield Finding(path, "is missing; it was signed")
            continue
        content = (root / path).read_bytes()
        try:
            now = sign.of_stage(parse(content, Path(path)), path, content, statement.commit)
        except TandemError as error:
            yield Finding(path, str(error))
            continue
        if now != statement:
            yield Finding(path, "is not what was signed")
    yield from _files(bundle.revision, root)


def _files(signed: Statement, root: Path) -> Iterator[Finding]:
    """The files of the revision as a whole: dvc.yaml, locks, params, summary, each record."""
    known = contents(root)
    now = sign.of_revision(root, list(signed.external["stages"]), known, signed.commit).subjects
    for path in sorted({*signed.subjects, *now}):
        if path not in now:
            yield Finding(path, "is missing; it was signed")
        elif path not in signed.subjects:
            yield Finding(path, "was not there when the revision was signed")
        elif now[path] != signed.subjects[path]:
            yield Finding(path, "is not what was signed")
