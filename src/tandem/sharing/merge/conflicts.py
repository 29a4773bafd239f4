"""Find the three versions of files that are in conflict or that a merge commit has merged.

For a file in conflict after a merge, a rebase, a cherry-pick, a revert or `git stash pop`, Git's
index contains up to three entries: stage 1 is the common ancestor, stage 2 is our version and
stage 3 is theirs.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass

from tandem.core.errors import LineageError, StageError
from tandem.lineage.revisions import git

REGULAR = ("100644", "100755")
"""Git's file modes for regular files."""


@dataclass(frozen=True)
class Versions:
    """The Git blob IDs of a file's three versions; an ID is empty if the version does not exist."""

    base: str = ""
    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True)
class Conflict:
    """The versions of merged files. Paths are relative to the project's root."""

    versions: dict[str, Versions]
    """Path → versions.

    The paths are those of the files in conflict in an unfinished merge, or of all files that differ
    between the parents of a merge commit.
    """
    ours: dict[str, str]
    """Path → blob ID, for all files on our side."""
    merged: dict[str, str]
    """Path → blob ID in the result of the merge, for all files that are not in conflict."""
    unfinished: bool

    def is_untouched(self, path: str, blob: str) -> bool:
        """Whether a workspace file whose blob ID is `blob` has not been edited since the merge."""
        if self.unfinished and path in self.versions:
            return blob in astuple(self.versions[path])
        return blob == self.merged.get(path)


def unfinished() -> Conflict | None:
    """The files in conflict, according to the index; None if there are none."""
    stages: dict[str, dict[str, str]] = {}
    for mode, blob, stage, path in _entries("ls-files", "--unmerged"):
        stages.setdefault(path, {})[stage] = blob if mode in REGULAR else mode
    if not stages:
        return None
    versions = {
        path: Versions(*(blobs.get(stage, "") for stage in "123"))
        for path, blobs in stages.items()
        if not {"120000", "160000"} & {*blobs.values()}  # skip symbolic links and submodules
    }
    return Conflict(versions, ours=_tree("HEAD"), merged=_index(), unfinished=True)


def of_head() -> Conflict | None:
    """The files that differ between the parents of HEAD; None if HEAD is not a merge commit.

    Raises:
        StageError: HEAD has more than two parents.
    """
    _, *parents = git("rev-list", "--parents", "--max-count=1", "HEAD").decode().split()
    if len(parents) < 2:
        return None
    if len(parents) > 2:
        raise StageError("HEAD merges more than two branches at once: merge them one by one")
    try:
        ancestor = _tree(git("merge-base", *parents).decode().strip())
    except LineageError:  # no common ancestor
        ancestor = {}
    ours, theirs = map(_tree, parents)
    versions = {
        path: Versions(ancestor.get(path, ""), ours.get(path, ""), theirs.get(path, ""))
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    }
    return Conflict(versions, ours, merged=_tree("HEAD"), unfinished=False)


def _index() -> dict[str, str]:
    """Path → blob ID, for the files in the index that are not in conflict."""
    return {path: blob for _, blob, stage, path in _entries("ls-files", "--stage") if stage == "0"}


def blob_content(blob: str) -> bytes:
    """The content of a blob; empty if the ID is empty."""
    return git("cat-file", "blob", blob) if blob else b""


def _tree(commit: str) -> dict[str, str]:
    """Path → blob ID, for a commit's regular files below the current folder."""
    entries = _entries("ls-tree", "-r", commit)
    return {path: blob for mode, _, blob, path in entries if mode in REGULAR}


def _entries(*command: str) -> Iterator[tuple[str, str, str, str]]:
    """The lines that `git ls-files` or `git ls-tree` prints, split into their four fields."""
    for line in git(command[0], "-z", *command[1:]).decode(errors="surrogateescape").split("\0"):
        if line:
            facts, _, path = line.partition("\t")
            first, second, third = facts.split()
            yield first, second, third, path
