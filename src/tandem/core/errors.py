"""Everything that a user can cause and put right.

    TandemError                 one line: what, where, what to do; exit code 2
    ├── ParamsError             params.yaml says something that no stage understands
    ├── UnknownName             no such task, stage, method, source …
    ├── SourceError             data or weights could not be fetched
    │   └── HashMismatch        … or are not the bytes that were pinned
    ├── DataError               rows that cannot be used, and the stage may not go on
    │   └── BadRow              one row; the stage keeps it with its reason, or stops
    ├── StageError              a stage's input is missing or its output cannot be written
    └── LineageError            records or a bundle cannot be read, or nothing is known of it

A file that the system refuses is told of in a line too. Anything else that is raised is a defect
of Tandem and keeps its traceback.
"""

from collections.abc import Iterable

INTERRUPTED = "tandem: interrupted; nothing half-written is left, run again to continue"
"""The line that a user sees after Ctrl-C."""


class TandemError(Exception):
    """A mistake that the user can put right; its text is one clear line."""


def format_error(error: TandemError | OSError) -> str:
    """What a user is told of a mistake, or of a file that the system refuses.

    Raises:
        OSError: `error` itself, if it names no file.
    """
    if isinstance(error, TandemError):
        return f"tandem: {error}"
    if error.filename is None:
        raise error
    return f"tandem: {error.filename}: {error.strerror}"


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: the closest known name, if one is similar.

    >>> suggest("claen", ["clean", "split"]), suggest("x", ["clean", "split"])
    (" Did you mean 'clean'?", '')
    """
    from difflib import get_close_matches  # loaded only where a message needs it

    closest = get_close_matches(name, [*known], n=1, cutoff=0.5)
    return f" Did you mean {closest[0]!r}?" if closest else ""


class ParamsError(TandemError):
    """params.yaml holds an unknown, missing or ill-typed key."""


class UnknownName(TandemError):
    """An unknown name; the message suggests the closest known one and lists all."""

    def __init__(self, kind: str, name: str, available: Iterable[str], where: str = "") -> None:
        known = sorted(available)
        place = f" in {where}" if where else ""
        hint = suggest(name, known)
        super().__init__(f"unknown {kind} {name!r}{place}.{hint} Available: {', '.join(known)}")


class SourceError(TandemError):
    """Data or weights could not be fetched."""


class HashMismatch(SourceError):
    """The fetched bytes are not the pinned ones."""


class DataError(TandemError):
    """Rows that cannot be used."""


class BadRow(DataError):
    """One row that cannot be read; `reason` is a short, countable name for why."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class StageError(TandemError):
    """A stage's input is missing, or its output cannot be written."""


class LineageError(TandemError):
    """Records, dvc.lock or a bundle cannot be read, or say nothing of what was asked."""
