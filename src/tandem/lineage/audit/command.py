"""`tandem audit`: which project is audited, by what, and how the outcome is told.

tandem audit                                the workspace
tandem audit --rev v1.0                     a revision, its artifacts as far as DVC's cache has them
tandem audit --bundle FILE --key PUB        the workspace against what was signed
tandem audit --rerun 3                      the workspace, and three stages run anew
"""

import json as text
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
    """Audit as asked, print the outcome; 0 if all agree, else 1.

    Raises:
        TandemError: the options do not go together, or what they name cannot be read.
    """
    if bool(bundle) != bool(key):
        raise TandemError("--bundle FILE and --key PUBLIC_KEY go together")
    if rev and (bundle or rerun):
        raise TandemError("--rev goes with neither --bundle nor --rerun: check the revision out")
    if rev:
        with revisions.files_of(rev) as root:
            done = checks.run(root, in_cache(root))
    else:
        done = checks.run()
    if bundle:
        done.findings += verify.differences(read_bundle(Path(bundle), Path(key)))
    for line, found in rerun_stages.run(rerun) if rerun else ():
        done.rerun.append(line)
        done.findings += found
        done.changed += [finding.where for finding in found]
    if done.changed and not rev:
        done.machine = fingerprint.explanation()
    if json:
        print(text.dumps(asdict(done), ensure_ascii=False, indent=2))
    else:
        print("\n".join(findings.to_text(done)))
    return 1 if done.findings else 0


def in_cache(root: Path) -> DigestReader:
    """Finds what is not in `root` in DVC's cache here, by the MD5 that the records of `root` have.

    A file of the cache is hashed, so that a damaged one is found; what is missing is not here.
    """
    known = graph.read(root)

    def look(path: str) -> Digest | None:
        here = checks.on_disk(root)(path)
        wanted = known.expected_digest(path)
        if here is not None or wanted is None:
            return here
        files = {name: _object(digest.md5) for name, digest in graph.files_of(wanted).items()}
        if any(digest is None for digest in files.values()):
            return None
        found = {name: digest for name, digest in files.items() if digest}
        return found[""] if wanted.files is None else folder_digest(found, files=True)

    return look


def _object(md5: str) -> Digest | None:
    path = CACHE / md5[:2] / md5[2:]
    return file_digest(path) if MD5.fullmatch(md5) and path.is_file() else None
