"""Merge the contents of three versions of a dvc.lock, and describe what happened."""

from collections.abc import Sequence

from tandem.core.errors import StageError
from tandem.core.wording import counted
from tandem.sharing.merge.lock_file import LockDamaged, LockFile, MergedLock, merge


def merge_contents(path: str, base: bytes, ours: bytes, theirs: bytes) -> MergedLock:
    """Merge three versions of a dvc.lock.

    Without a readable base, an entry that differs between the sides counts as changed by both.

    Args:
        path: The path of the file, for messages.
        base: The content in the common ancestor; empty if it has no such file.
        ours: The content on the current branch; empty if it has no such file.
        theirs: The content on the branch that is merged; empty if it has no such file.

    Raises:
        StageError: the version of one side cannot be read.
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
    """A summary of the merge in one line."""
    theirs = counted(len(merged.theirs), "entry", "entries")
    parts = [f"{path} is merged by stage: {theirs} from their side"]
    if merged.stale:
        parts.append(f"stale because both sides changed them: {listed(merged.stale)}")
    return "; ".join(parts)


def listed(names: Sequence[str], limit: int = 5) -> str:
    """The first `limit` names as text, and the number of other names."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{rest}"
