"""Read from Git: the files of a revision, and the commits that changed records."""

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
    """A Git commit, as shown in the results of lineage queries."""

    digest: str
    date: str
    """YYYY-MM-DD."""
    title: str

    def __str__(self) -> str:
        return f"{self.digest[:10]} {self.date} {self.title}"


FORMAT = "%H%x09%cs%x09%s"
"""The fields of `Commit`, tab-separated, for `git log --format`."""


def git(*arguments: str, root: Path = Path()) -> bytes:
    """The output of a Git command.

    Raises:
        LineageError: Git is not installed, or the command fails.
    """
    settings = ["-c", "core.quotepath=off", "-c", "log.showSignature=false"]
    try:
        command = ["git", *settings, *arguments]
        process = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except FileNotFoundError:
        raise LineageError("git is not installed: lineage commands need it") from None
    if process.returncode:
        message = process.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise LineageError(f"git {arguments[0]} failed: {message or 'no reason given'}")
    return process.stdout


@contextmanager
def files_of(revision: str) -> Iterator[Path]:
    """A temporary folder with the files that Git tracks in a revision.

    The tracked files are code, params, lock files, records and metrics. A symbolic link becomes a
    regular file that contains the path of its target, so that no file outside the folder is read
    through a link.

    Raises:
        LineageError: there is no such revision.
    """
    try:
        digest = git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except LineageError as error:
        raise LineageError(f"there is no revision {revision!r}: {error}") from None
    archived = git("archive", "--format=zip", digest.decode().strip())
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(BytesIO(archived)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as source:
                        io.copy_into(Path(folder), member.filename, cast(BinaryIO, source))
        yield Path(folder)


def commits_of_records(root: Path = Path()) -> dict[str, Commit]:
    """Record file → the last commit (or merge) on this branch that changed it.

    Records with uncommitted changes are left out. The result is empty outside a Git repository.
    """
    try:
        options = ("--first-parent", "-m", "--name-only", f"--format=%x00{FORMAT}")
        log = git("log", *options, "--", str(RECORDS), root=root)
        changed = git("status", "--porcelain", "-z", "-uall", "--", str(RECORDS), root=root)
    except LineageError:
        return {}
    commits: dict[str, Commit] = {}
    for entry in log.decode(errors="replace").split("\0")[1:]:
        header, *names = entry.strip().split("\n")
        for name in filter(None, names):
            commits.setdefault(name, Commit(*header.split("\t", 2)))
    for entry in changed.decode(errors="replace").split("\0"):
        commits.pop(entry[3:], None)
    return commits


def commits_between(first: str, last: str, path: str) -> list[Commit]:
    """The commits after `first`, up to and including `last`, that changed `path`, oldest first."""
    log = git("log", "--reverse", f"--format={FORMAT}", f"{first}..{last}", "--", path)
    return [Commit(*line.split("\t", 2)) for line in log.decode(errors="replace").splitlines()]
