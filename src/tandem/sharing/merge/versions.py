"""Merge the contents of three versions of a dvc.lock file, and summarize the result."""

from collections.abc import Sequence

from tandem.core.errors import StageError
from tandem.core.wording import counted
from tandem.sharing.merge.lock_file import LockDamaged, LockFile, MergedLock, merge


def merge_contents(path: str, base: bytes, ours: bytes, theirs: bytes) -> MergedLock:
    """Merge three versions of a dvc.lock file.

    If `base` is empty or cannot be read, each entry that differs between the two sides counts as
    changed by both.

    Args:
        path: The path of the file, for messages.
        base: The content in the common ancestor; empty if the file does not exist there.
        ours: The content on the current branch; empty if the file does not exist there.
        theirs: The content on the branch that is merged; empty if the file does not exist there.

    Raises:
        StageError: `ours` or `theirs` cannot be read, or both changed the key `datasets`.
    """
    try:
        ancestor = LockFile.parse(base) if base else LockFile()
    except LockDamaged:
        ancestor = LockFile()
    sides = []
    for side, other, content in (("our", "theirs", ours), ("their", "ours", theirs)):
        try:
            sides.append(LockFile.parse(content) if content else LockFile())
        except LockDamaged as error:
            raise StageError(
                f"{side} version of {path} {error}: "
                f"keep the other version with `git checkout --{other} {path}`, and run the pipeline"
            ) from None
    return merge(ancestor, *sides)


def summary(path: str, merged: MergedLock) -> str:
    """A one-line summary of the merge."""
    entries = counted(len(merged.theirs), "entry", "entries")
    parts = [f"{path} merged by stage: {entries} from their side"]
    if merged.stale:
        parts.append(f"stale stages, changed on both sides: {listed(merged.stale)}")
    return "; ".join(parts)


def listed(names: Sequence[str], limit: int = 5) -> str:
    """The first `limit` names as text, and the number of names that are left out."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{rest}"
