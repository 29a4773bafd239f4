"""Merge dvc.lock and the stage outputs that Git tracks, if Git did not run the merge drivers.

`tandem merge-lock` resolves conflicts in these files during a merge, a rebase, a cherry-pick or a
revert. If no file is in conflict and HEAD is a merge commit, for example one made by a hosting
service, the command merges the parents of HEAD again. The command reads the versions of a file from
Git, never from a workspace file with conflict markers.
"""

import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.engines import locks
from tandem.lineage.revisions import git
from tandem.sharing.merge import conflicts, versions
from tandem.sharing.merge.conflicts import Conflict, Versions
from tandem.sharing.merge.lock_file import MARKER, LockDamaged, LockFile, MergedLock
from tandem.sharing.merge.rule import Choice, choose

WRITTEN = (paths.DETAILS, paths.METRICS, paths.RECORDS, Path("reports/summary.json"))
"""Git-tracked folders whose JSON files only stages write, and the file reports/summary.json."""


@dataclass(frozen=True)
class Resolution:
    """The result of a merge. Paths are relative to the project's root."""

    locks: Mapping[str, MergedLock]
    files: list[str]
    """The resolved files except dvc.lock; all of them are written by stages."""
    left: list[str]
    """The files that are still in conflict, because no stage writes them."""


def resolve() -> Resolution | None:
    """Merge dvc.lock and stage outputs, and add them to the index; None if there is nothing to do.

    Raises:
        StageError: a version of dvc.lock cannot be read, or a file has been edited since the merge.
        LineageError: this is not a Git repository, or a Git command fails.
    """
    with closing(locks.acquire_run_lock()):
        conflict = conflicts.unfinished() or conflicts.of_head()
        if conflict is None:
            _read_lock()
            return None
        merged = {
            path: versions.merge_contents(path, *map(conflicts.blob_content, astuple(each)))
            for path, each in conflict.versions.items()
            if posixpath.basename(path) == paths.LOCK.name
        }
        outputs = Outputs.of(merged)
        blobs = dict(_resolved(conflict, outputs))
        contents = {path: conflicts.blob_content(blob) for path, blob in blobs.items() if blob}
        contents |= {path: lock.lock.text().encode() for path, lock in merged.items()}
        changed = _write(conflict, contents, [path for path, blob in blobs.items() if not blob])
        locks.back_up_dvc_lock()
    in_conflict = conflict.versions if conflict.unfinished else ()
    return Resolution(
        locks={path: lock for path, lock in merged.items() if path in changed},
        files=[path for path in changed if path not in merged],
        left=[path for path in in_conflict if path not in changed],
    )


@dataclass(frozen=True)
class Outputs:
    """The outputs of all stages, according to the merged entries of dvc.lock."""

    digests: Mapping[str, str]
    """Path of an output → its MD5 according to the entry of its stage."""
    stale: frozenset[str]
    """Outputs of stages whose entries both sides changed in different ways."""

    @classmethod
    def of(cls, merged: Mapping[str, MergedLock]) -> "Outputs":
        """The outputs in the merged dvc.lock files or, if there are none, the project's dvc.lock.

        Raises:
            StageError: dvc.lock cannot be read.
        """
        if not merged:
            merged = {str(paths.LOCK): MergedLock(_read_lock())}
        digests, stale = dict[str, str](), set[str]()
        for path, lock in merged.items():
            folder = posixpath.dirname(path)
            outs = (out for name in lock.lock.values for out in lock.lock.outs(name))
            digests |= {posixpath.join(folder, out): md5 for out, md5 in outs}
            stale |= {posixpath.join(folder, out) for out in lock.stale_outs}
        return cls(digests, frozenset(stale))

    def include(self, path: str) -> bool:
        """Whether a stage writes the file `path`."""
        known = (*self.digests, *self.stale, *(map(str, WRITTEN) if path.endswith(".json") else ()))
        return any(f"{path}/".startswith(f"{out}/") for out in known)

    def choose(self, path: str, version: Versions) -> str:
        """Choose the version of a file that agrees with the entry of its stage; return the blob ID.

        If no version has the MD5 in the entry, or the entry contains no MD5, choose the version of
        the side that changed the file, or our version if both sides changed the file. If the chosen
        side removed the file, or if one side removed the file and the other changed it, return an
        empty ID: the file is to be removed.
        """
        digest = self.digests.get(path)
        for blob in (version.ours, version.theirs) if digest else ():
            if blob and _md5(blob) == digest:
                return blob
        choice = choose(*astuple(version))
        if choice is Choice.NEITHER and not version.theirs:
            return ""
        return version.theirs if choice is Choice.THEIRS else version.ours


def _read_lock() -> LockFile:
    """The content of the project's dvc.lock, without entries if the file does not exist.

    Raises:
        StageError: dvc.lock cannot be read.
    """
    try:
        return LockFile.parse(paths.LOCK.read_bytes()) if paths.LOCK.exists() else LockFile()
    except LockDamaged as error:
        raise StageError(
            f"{paths.LOCK} {error}, and Git reports no conflict in it: restore a readable "
            f"version with `git checkout COMMIT -- {paths.LOCK}`, "
            "then run `tandem merge-lock` again"
        ) from None


def _md5(blob: str) -> str:
    """The MD5 of a blob's content, as DVC computes it for a file."""
    return hashlib.md5(conflicts.blob_content(blob), usedforsecurity=False).hexdigest()


def _resolved(conflict: Conflict, outputs: Outputs) -> Iterator[tuple[str, str]]:
    """Yield the path and blob ID of each resolved output; the ID is empty if the file is removed.

    If Git has merged an output of a stale stage as text without a conflict, the output is replaced
    by our version, too.
    """
    for path, version in conflict.versions.items():
        if posixpath.basename(path) != paths.LOCK.name and outputs.include(path):
            yield path, outputs.choose(path, version)
    for path, blob in conflict.merged.items():
        if path in outputs.stale and path not in conflict.versions:
            yield path, conflict.ours.get(path, blob)


def _write(conflict: Conflict, contents: Mapping[str, bytes], removed: list[str]) -> list[str]:
    """Write and remove files, and add them to the index; return the files that changed.

    Raises:
        StageError: a file has been edited since the merge; in this case, nothing is written.
    """
    in_conflict = conflict.versions if conflict.unfinished else ()
    changed = [
        path
        for path in (*contents, *removed)
        if path in in_conflict or _content(path) != contents.get(path)
    ]
    for path in changed:
        _refuse_edited(path, conflict, contents.get(path))
    for path in changed:
        if path in contents:
            target = io.path_inside(Path(), path)
            partial = target.with_name(f"{io.PARTIAL}-{target.name}")
            io.write_bytes(partial, contents[path])
            partial.replace(target)
    if added := [path for path in changed if path in contents]:
        git("add", "--force", "--", *added)
    if gone := [path for path in changed if path in removed]:
        git("rm", "--force", "--quiet", "--ignore-unmatch", "--", *gone)
    return changed


def _content(path: str) -> bytes | None:
    """The content of a file in the workspace; None if the file does not exist."""
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


def _refuse_edited(path: str, conflict: Conflict, wanted: bytes | None) -> None:
    """Raise StageError if `tandem merge-lock` would overwrite a file edited since Git's merge."""
    content = _content(path)
    if content is None or content == wanted:
        return
    if conflict.unfinished and MARKER.encode() in content:  # the file still has conflict markers
        return
    if conflict.is_untouched(path, git("hash-object", "--", path).decode().strip()):
        return
    cure = "commit or stash the edit"
    if conflict.unfinished:
        cure = (
            f"keep the edit with `git add {path}`, or discard it with "
            f"`git checkout --merge -- {path}`"
        )
    raise StageError(
        f"{path} has been edited since the merge: {cure}; then run `tandem merge-lock` again"
    )
