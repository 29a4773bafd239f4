"""Track the progress of a stage.

    with progress("train", total=600, unit="steps") as bar:
        bar.update(loss=0.7)
    for row in track(rows, "clean"):
        ...

This module counts items but displays nothing. A listener, set by `listen`, shows the progress bars;
`tandem.engines.stage_output` contains such a listener. Without a listener, nothing is shown.
Counting draws no random numbers and writes no files, so it cannot change any artifact.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.25
"""Minimum number of seconds between two calls of the listener, except at the end of a bar."""
FAST = 0.02
MAX_STEP = 64
"""Maximum number of items that `track` reports at once. If the items of a report took less
than `FAST` seconds, the next report covers twice as many; otherwise it covers a single item."""


@dataclass(slots=True, eq=False)
class Progress:
    """The progress of a loop over items, with current values such as the loss."""

    name: str
    total: int | None = None
    """Number of items; None if it is not known."""
    unit: str = "rows"
    done: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    shown: bool = False
    """Whether this progress bar has been passed to a listener."""

    def update(self, count: int = 1, /, **figures: float) -> None:
        """Report that `count` more items are done, with current values such as `loss`.

        This method is fast enough to be called for every row.
        """
        self.done += count
        if figures:
            self.figures = figures
        if _listener is not None and time.monotonic() >= _due:
            _notify()


Listener = Callable[[Sequence[Progress]], None]
"""A function that is called with the active progress bars, outermost first, or with an empty
sequence if no bar is active."""

_listener: Listener | None = None
_due = 0.0
_open: list[Progress] = []


def listen(listener: Listener | None) -> None:
    """Set the function that shows the progress bars of this process; None shows no bars."""
    global _listener, _due
    _listener, _due = listener, 0.0


def listener() -> Listener | None:
    """The function that shows the progress bars of this process; None if no bars are shown."""
    return _listener


@contextmanager
def progress(name: str, total: int | None = None, unit: str = "rows") -> Iterator[Progress]:
    """A context manager that yields a progress bar, which is active until the `with` block ends.

    Args:
        name: What is being done, in one or two words, such as `train` or `leak check`.
        total: The number of items; None if it is not known.
        unit: What is counted, in the plural.
    """
    bar = Progress(name, total, unit)
    _open.append(bar)
    if _listener is not None and time.monotonic() >= _due:
        _notify()
    try:
        yield bar
    finally:
        if bar.shown:
            _notify()  # its last state
        _open.remove(bar)
        if bar.shown and not _open:
            _notify()


def track(
    items: Iterable[T], name: str, total: int | None = None, unit: str = "rows"
) -> Iterator[T]:
    """Yield the items, and count each item when the next item is requested; see `progress`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress(name, total, unit) as bar:
        # The clock is read once for several fast items: each read can cost half a microsecond.
        waiting, step, before = 0, 1, bar.started
        for item in items:
            yield item
            waiting += 1
            if waiting >= step:
                bar.update(waiting)
                now = time.monotonic()
                step = min(2 * step, MAX_STEP) if now - before < FAST else 1
                waiting, before = 0, now
        bar.done += waiting


def _notify() -> None:
    global _due
    if _listener is not None:
        for bar in _open:
            bar.shown = True
        _listener(_open)
        _due = time.monotonic() + INTERVAL
