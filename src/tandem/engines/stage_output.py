"""The output of a stage's process: what it prints, its log file and its progress.

    run by       stdout and stderr             progress
    snakemake    redirected to the log         in a state file, which `snakemake` displays
    dvc repro    inherited, copied to the log  drawn on stderr, if stderr is a terminal
    the user     inherited                     drawn on stderr, if stderr is a terminal

Under `snakemake` and `dvc repro`, a progress line is also written to the log file every 10 % or 30
seconds.
"""

import io
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote

from tandem.core import progress
from tandem.core.errors import INTERRUPTED, TandemError, format_error

ENGINE = "TANDEM_ENGINE"
"""Environment variable that is set to `snakemake` in Snakemake's jobs."""
LOGS = Path(".snakemake/tandem/log")
STATES = Path(".dvc/tmp/tandem/progress")
MARK = "progress: "
"""Prefix of a progress line in a log."""
CLEAR = "\r\033[K"
LINE_SECONDS, LINE_PERCENT, LINES_APART = 30, 10, 1
"""A log gets another progress line after `LINE_SECONDS` seconds or `LINE_PERCENT` percentage
points, but two lines are at least `LINES_APART` seconds apart."""


def log_of(stage: str) -> Path:
    """The log file of a stage's last run, relative to the root of the project."""
    return LOGS / f"{stage}.log"


def state_of(stage: str) -> Path:
    """The file with the progress of a running stage, relative to the root of the project."""
    return STATES / f"{quote(stage, safe='@')}.json"


@contextmanager
def stage_output() -> Iterator[None]:
    """Log and show the output and the progress of a stage that runs in the `with` block.

    Exceptions propagate; the log ends with the message or traceback that the user sees.
    """
    stage, root = os.environ.get("DVC_STAGE"), Path(os.environ.get("DVC_ROOT") or ".").absolute()
    in_snakemake = stage is not None and os.environ.get(ENGINE) == "snakemake"
    log = root / log_of(stage) if stage and (root / ".dvc").is_dir() else None
    shown = StageProgress(
        stage=stage or "",
        log=log,
        state=root / state_of(stage) if stage and in_snakemake else None,
        drawn=not in_snakemake and is_terminal(sys.stderr),
    )
    with _by_lines() if in_snakemake else _copied(log, shown):
        progress.listen(shown)
        try:
            yield
        finally:
            progress.listen(None)
            shown([])


@dataclass
class StageProgress:
    """Shows a stage's progress; child processes of the stage may get a copy of this object."""

    stage: str
    log: Path | None
    """The log file to which progress lines are appended."""
    state: Path | None
    """The file with the current progress, which the main process of Snakemake reads."""
    drawn: bool
    """Whether a progress line is drawn on stderr."""
    place: str = ""
    """The stage's position in dvc.yaml, such as `13/55`, drawn before the stage's name."""
    line: str = ""
    """The text that is drawn on the terminal's last line."""
    logged: tuple[str, float, int, float] = ("", 0.0, 0, 0.0)
    """The last progress bar's name and start time, and the percentage and time of its last line in
    the log. Until the first log line of a bar, the percentage is 0, and the time is the bar's start
    time."""

    def __call__(self, bars: Sequence[progress.Progress]) -> None:
        """Show the active `bars`; see `tandem.core.progress.Listener`."""
        with suppress(OSError):  # the stage itself reports a full disk
            if self.log and bars:
                self._log(bars[-1])
            if self.state:
                self._keep(bars)
            if self.drawn:
                self.draw(" · ".join(describe(bar) for bar in bars), bars)

    def _log(self, bar: progress.Progress) -> None:
        """Append a progress line for `bar` to the log, if one is due."""
        now = time.monotonic()
        name, started, percent, logged = self.logged
        if (name, started) != (bar.name, bar.started):
            name, started, percent, logged = bar.name, bar.started, 0, bar.started
        self.logged = name, started, percent, logged
        done = percent_of(bar) or 0
        due = now - logged >= LINE_SECONDS or done - percent >= LINE_PERCENT
        if due and now - logged >= LINES_APART and self.log:
            self.logged = name, started, done, now
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{MARK}{describe(bar)}{_ending(bar)}\n")

    def _keep(self, bars: Sequence[progress.Progress]) -> None:
        """Replace the state file, or remove it if there are no bars."""
        if self.state is None:
            return
        if not bars:
            self.state.unlink(missing_ok=True)
            return
        state = {
            "text": " · ".join(map(describe, bars)),
            "percent": percent_of(bars[-1]),
            "left": seconds_left(bars[-1]),
            "written": time.time(),
        }
        self.state.parent.mkdir(parents=True, exist_ok=True)
        partial = self.state.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(state), encoding="utf-8")
        partial.replace(self.state)

    def draw(self, text: str, bars: Sequence[progress.Progress]) -> None:
        """Replace the terminal's last line with `text`, or clear it if there are no bars."""
        if not bars:
            self.clear()
            return
        names = ": ".join(filter(None, [" ".join(filter(None, [self._place(), self.stage])), text]))
        line = fit(f"{names}{_ending(bars[-1])}", terminal_width())
        if line == self.line:
            return
        sys.__stderr__.write(CLEAR + line)  # type: ignore[union-attr]
        sys.__stderr__.flush()  # type: ignore[union-attr]
        self.line = line

    def clear(self) -> None:
        """Clear the progress line, for example before something is printed."""
        if self.line:
            self.line = ""
            sys.__stderr__.write(CLEAR)  # type: ignore[union-attr]
            sys.__stderr__.flush()  # type: ignore[union-attr]

    def _place(self) -> str:
        """The position of this stage in dvc.yaml; see `dvc_stages.place`."""
        if not self.place and self.stage:
            from tandem.engines import dvc_stages

            self.place = dvc_stages.place(self.stage)
        return self.place


def describe(bar: progress.Progress) -> str:
    """The text of a progress bar, without the percentage and the time left.

    >>> describe(progress.Progress("train", 600, "steps", 120, {"loss": 0.53219}))
    'train 120/600 steps, loss 0.532'
    """
    count = f"{bar.done:,}" if bar.total is None else f"{bar.done:,}/{bar.total:,}"
    parts = [f"{bar.name} {count} {bar.unit}" if bar.done or bar.total else bar.name]
    return ", ".join([*parts, *(f"{name} {value:.3g}" for name, value in bar.figures.items())])


def percent_of(bar: progress.Progress) -> int | None:
    """The percentage of the work that is done; None if the total is not known."""
    return None if not bar.total else 100 * bar.done // bar.total


def seconds_left(bar: progress.Progress) -> float | None:
    """The seconds left at the average speed since the start; None if they cannot be estimated."""
    if not bar.total or not bar.done:
        return None
    return (time.monotonic() - bar.started) / bar.done * max(0, bar.total - bar.done)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(7.2), duration(100), duration(6000)
    ('7 s', '2 min', '1 h 40 min')
    """
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _ending(bar: progress.Progress) -> str:
    """The end of a progress line, such as `, 20 %, 2 min left`; unknown parts are left out."""
    percent, left = percent_of(bar), seconds_left(bar)
    parts = [] if percent is None else [f"{percent} %"]
    parts += [f"{duration(left)} left"] if left else []
    return "".join(f", {part}" for part in parts)


def fit(line: str, width: int) -> str:
    """`line`, cut at its end if it does not fit into `width` columns.

    >>> fit("train 120/600 steps", 12)
    'train 120/6…'
    """
    return line if len(line) <= width else line[: width - 1] + "…"


def terminal_width() -> int:
    """The width of the terminal in columns, less one for the cursor."""
    try:
        return max(20, os.get_terminal_size(2).columns - 1)
    except OSError:
        return 79


def is_terminal(stream: TextIO | None) -> bool:
    """Whether `stream` is stderr, and a progress line can be drawn on it and cleared."""
    can_clear = os.environ.get("TERM", "") not in ("", "dumb")
    return stream is sys.__stderr__ and stream is not None and stream.isatty() and can_clear


@contextmanager
def _by_lines() -> Iterator[None]:
    """Make stdout line-buffered, so that output reaches the log immediately."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    yield


@contextmanager
def _copied(path: Path | None, shown: StageProgress) -> Iterator[None]:
    """Copy the output of the `with` block and any error that it raises to a new file at `path`."""
    log = None if path is None else _new_log(path)
    if log is None and not shown.drawn:
        yield
        return
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Copy(stream, log, shown)) for stream in before)
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if log:
            log.write(_last_words(error))
        raise
    finally:
        sys.stdout, sys.stderr = before
        if log:
            log.close()


def _new_log(path: Path) -> TextIO | None:
    """Create an empty log; return None if that fails, because the stage can run without a log."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path.open("a", encoding="utf-8", errors="replace", buffering=1)
    return None


def _last_words(error: BaseException) -> str:
    """The message or traceback that the command prints if it fails with `error`."""
    if isinstance(error, KeyboardInterrupt):
        return f"{INTERRUPTED}\n"
    if isinstance(error, TandemError | OSError):
        with suppress(OSError):
            return f"{format_error(error)}\n"
    return "".join(traceback.format_exception(error))


class _Copy:
    """Writes to a stream and to a log, if there is one, after clearing the progress line."""

    def __init__(self, stream: TextIO, log: TextIO | None, shown: StageProgress) -> None:
        self._stream, self._log, self._shown = stream, log, shown

    def write(self, text: str) -> int:
        """Write to the stream and to the log."""
        self._shown.clear()
        with suppress(OSError, ValueError):  # the disk is full, or the log is closed
            if self._log:
                self._log.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
