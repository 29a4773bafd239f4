"""What Git knows: the files of a revision, and the commits that records came with."""

import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.core.paths import RECORDS


@dataclass(frozen=True)
class Commit:
    """A commit as people name it."""

    digest: str
    date: str
    title: str

    def __str__(self) -> str:
        return f"{self.digest[:10]} {self.date} {self.title}"


FORMAT = "%H%x09%cs%x09%s"


def git(*arguments: str, root: Path = Path()) -> bytes:
    """What a command of Git prints.

    Raises:
        LineageError: it fails; its own first line says why.
    """
    settings = ["-c", "core.quotepath=off", "-c", "log.showSignature=false"]
    try:
        command = ["git", *settings, *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise LineageError("git is not installed, and this asks it: install it") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise LineageError(f"git {arguments[0]} failed: {said or 'no reason given'}")
    return done.stdout


@contextmanager
def files_of(revision: str) -> Iterator[Path]:
    """A temporary folder with what Git has of a revision: code, params, locks, records, metrics.

    A link is a file of its target's name there, so nothing outside is reached by one.

    Raises:
        LineageError: there is no such revision.
    """
    try:
        digest = git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except LineageError as error:
        raise LineageError(f"there is no revision {revision!r} here: {error}") from None
    packed = git("archive", "--format=zip", digest.decode().strip())
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as source:
                        io.copy_into(Path(folder), member.filename, cast(BinaryIO, source))
        yield Path(folder)


def commits_of_records(root: Path = Path()) -> dict[str, Commit]:
    """Record file → the commit that brought it here as it is, be it a merge; not if changed since.

    Empty where there is no Git.
    """
    try:
        how = ("--first-parent", "-m", "--name-only", f"--format=%x00{FORMAT}")
        log = git("log", *how, "--", str(RECORDS), root=root)
        changed = git("status", "--porcelain", "-z", "-uall", "--", str(RECORDS), root=root)
    except LineageError:
        return {}
    found: dict[str, Commit] = {}
    for entry in log.decode(errors="replace").split("\0")[1:]:
        told, *names = entry.strip().split("\n")
        for name in filter(None, names):
            found.setdefault(name, Commit(*told.split("\t", 2)))
    for entry in changed.decode(errors="replace").split("\0"):
        found.pop(entry[3:], None)
    return found


def commits_between(first: str, last: str, path: str) -> list[Commit]:
    """The commits after `first` up to `last` that changed `path`, oldest first."""
    log = git("log", "--reverse", f"--format={FORMAT}", f"{first}..{last}", "--", path)
    return [Commit(*line.split("\t", 2)) for line in log.decode(errors="replace").splitlines()]
