"""Choose among three versions of a stage's entry in dvc.lock, or of a file that a stage wrote."""

from enum import Enum


class Choice(Enum):
    """Which version a merge takes."""

    OURS = "ours"
    THEIRS = "theirs"
    NEITHER = "neither"
    """Both sides made different changes: neither version describes the merged project."""


def choose(base: str, ours: str, theirs: str) -> Choice:
    """Choose the version of the side that has changed since the common ancestor.

    An empty string stands for an entry or a file that does not exist.

    Args:
        base: The version of the common ancestor.
        ours: The version of the current branch.
        theirs: The version of the branch that is merged into the current branch.

    >>> choose("a", "a", "b"), choose("a", "", "a"), choose("a", "b", "c")
    (<Choice.THEIRS: 'theirs'>, <Choice.OURS: 'ours'>, <Choice.NEITHER: 'neither'>)
    """
    if theirs in (base, ours):
        return Choice.OURS
    return Choice.THEIRS if ours == base else Choice.NEITHER
