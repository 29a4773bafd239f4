"""Errors that a user can cause and fix.

    TandemError                 one line: what is wrong, where, what to do; exit code 2
    ├── ParamsError             params.yaml has an unknown, missing or invalid key
    ├── UnknownName             no such task, stage, method, source, …
    ├── SourceError             data or weights could not be fetched
    │   └── HashMismatch        the fetched bytes do not have the pinned digest
    ├── DataError               the rows cannot be used; the stage stops
    │   └── BadRow              one row cannot be read; the stage sets it aside, or stops
    ├── StageError              a stage cannot run, for example because an input is missing
    └── LineageError            records or a bundle cannot be read, or a name is not in them

An OSError that names a file is also reported in one line. Any other exception is a bug in Tandem
and keeps its traceback.
"""

from collections.abc import Iterable

INTERRUPTED = "tandem: interrupted without leaving partial outputs; run again to continue"
"""The line that a user sees after Ctrl-C."""


class TandemError(Exception):
    """An error that the user can fix; its message is one line."""


def format_error(error: TandemError | OSError) -> str:
    """The line that reports an error to the user.

    Raises:
        OSError: `error` is an OSError that does not name a file; this function raises it again.
    """
    if isinstance(error, TandemError):
        return f"tandem: {error}"
    if error.filename is None:
        raise error
    return f"tandem: {error.filename}: {error.strerror}"


def suggest(name: str, known: Iterable[str]) -> str:
    """The suggestion that ends a message about an unknown `name`; '' if no known name is close.

    >>> suggest("claen", ["clean", "split"]), suggest("x", ["clean", "split"])
    (" Did you mean 'clean'?", '')
    """
    from difflib import get_close_matches  # difflib is imported only if a message needs it

    closest = get_close_matches(name, [*known], n=1)
    return f" Did you mean {closest[0]!r}?" if closest else ""


class ParamsError(TandemError):
    """A params file has an unknown, missing or invalid key."""


class UnknownName(TandemError):
    """An unknown name; the message suggests the closest known name and lists all known names."""

    def __init__(self, kind: str, name: str, available: Iterable[str], where: str = "") -> None:
        names = sorted(available)
        location = f" in {where}" if where else ""
        hint = suggest(name, names)
        super().__init__(f"unknown {kind} {name!r}{location}.{hint} Available: {', '.join(names)}")


class SourceError(TandemError):
    """Data or weights could not be fetched."""


class HashMismatch(SourceError):
    """The fetched bytes do not have the pinned digest."""


class DataError(TandemError):
    """Data that cannot be used, such as rows or an input file."""


class BadRow(DataError):
    """One row that cannot be read; `reason` is the short name under which such rows are counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class StageError(TandemError):
    """A stage cannot run, for example because an input is missing or cannot be read."""


class LineageError(TandemError):
    """Records, dvc.lock or a bundle cannot be read, or do not contain what was asked for."""
