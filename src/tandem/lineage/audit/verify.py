"""Compare the workspace with a signed bundle by rebuilding each statement in the bundle."""

from collections.abc import Iterator
from pathlib import Path

from tandem.core.errors import TandemError
from tandem.lineage.attestation import sign
from tandem.lineage.attestation.bundle import Bundle
from tandem.lineage.attestation.statements import Statement
from tandem.lineage.audit.findings import Finding
from tandem.lineage.graph import contents, parse, record_of


def differences(bundle: Bundle, root: Path = Path()) -> Iterator[Finding]:
    """Findings for records and files of the revision that differ from those that were signed.

    Artifacts are not compared with the bundle: `tandem.lineage.audit.checks` compares them with
    the records.
    """
    for name, statement in bundle.stages.items():
        path = record_of(name)
        if not (root / path).is_file():
            yield Finding(path, "is missing, but was signed")
            continue
        content = (root / path).read_bytes()
        try:
            rebuilt = sign.of_stage(parse(content, Path(path)), path, content, statement.commit)
        except TandemError as error:
            yield Finding(path, str(error))
            continue
        if rebuilt != statement:
            yield Finding(path, "differs from what was signed")
    yield from _files(bundle.revision, root)


def _files(signed: Statement, root: Path) -> Iterator[Finding]:
    """Findings for files in the revision's statement, such as dvc.yaml, params.yaml and records."""
    stages = list(signed.external["stages"])
    rebuilt = sign.of_revision(root, stages, contents(root), signed.commit).subjects
    for path in sorted({*signed.subjects, *rebuilt}):
        if path not in rebuilt:
            yield Finding(path, "is missing, but was signed")
        elif path not in signed.subjects:
            yield Finding(path, "did not exist when the revision was signed")
        elif rebuilt[path] != signed.subjects[path]:
            yield Finding(path, "differs from what was signed")
