"""`tandem audit`: check a workspace or a revision, and print the result.

tandem audit                            check the workspace
tandem audit --rev v1.0                 check a revision, with its artifacts in DVC's cache
tandem audit --bundle FILE --key PUB    check the workspace, and compare it with a signed bundle
tandem audit --rerun 3                  check the workspace, and run three stages again
"""

import json as json_module
import re
from dataclasses import asdict
from pathlib import Path

from tandem.core.errors import TandemError
from tandem.core.provenance import Digest, file_digest, folder_digest
from tandem.lineage import graph, revisions
from tandem.lineage.attestation.bundle import read_bundle
from tandem.lineage.audit import checks, findings, verify
from tandem.lineage.audit import rerun as rerun_stages
from tandem.lineage.audit.checks import DigestReader
from tandem.machine import fingerprint

CACHE = Path(".dvc/cache/files/md5")
MD5 = re.compile("[0-9a-f]{32}")


def main(rev: str, bundle: str, key: str, rerun: int, json: bool) -> int:
    """Run an audit and print its result.

    Args:
        rev: The Git revision to check; if empty, the workspace is checked.
        bundle: The path of a signed bundle to compare the workspace with, or an empty string.
        key: The path of the public key for `bundle`, or an empty string.
        rerun: The number of stages to run again.
        json: Print JSON.

    Returns:
        The exit code: 0 if there are no findings, else 1.

    Raises:
        TandemError: an option is missing, options are mutually exclusive, or a file cannot be read.
    """
    if bool(bundle) != bool(key):
        raise TandemError("--bundle FILE and --key PUBLIC_KEY must be given together")
    if rev and (bundle or rerun):
        raise TandemError(
            "--rev cannot be combined with --bundle or --rerun: check out the revision instead"
        )
    if rev:
        with revisions.files_of(rev) as root:
            audit = checks.run(root, in_cache(root))
    else:
        audit = checks.run()
    if bundle:
        audit.findings += verify.differences(read_bundle(Path(bundle), Path(key)))
    for line, differences in rerun_stages.run(rerun) if rerun else ():
        audit.rerun.append(line)
        audit.findings += differences
        audit.changed += [finding.where for finding in differences]
    if audit.changed and not rev:
        audit.machine = fingerprint.explanation()
    if json:
        print(json_module.dumps(asdict(audit), ensure_ascii=False, indent=2))
    else:
        print("\n".join(findings.to_text(audit)))
    return 1 if audit.findings else 0


def in_cache(root: Path) -> DigestReader:
    """A reader that hashes artifacts in `root` or, if missing there, in the workspace's DVC cache.

    The MD5 digests in the records of `root` are the names of files in the cache. Each file is
    hashed, so that a damaged file is reported. An output that is incomplete in the cache counts as
    absent.
    """
    records = graph.read(root)
    on_disk = checks.on_disk(root)

    def read_digest(path: str) -> Digest | None:
        digest = on_disk(path)
        expected = records.expected_digest(path)
        if digest is not None or expected is None:
            return digest
        files: dict[str, Digest] = {}
        for name, file in graph.files_of(expected).items():
            cached = _cached(file.md5)
            if cached is None:
                return None
            files[name] = cached
        return files[""] if expected.files is None else folder_digest(files, files=True)

    return read_digest


def _cached(md5: str) -> Digest | None:
    """The digest of a file in DVC's cache; None if the file is missing or `md5` is invalid."""
    path = CACHE / md5[:2] / md5[2:]
    return file_digest(path) if MD5.fullmatch(md5) and path.is_file() else None
