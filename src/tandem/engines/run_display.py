"""Display the jobs of a `snakemake` run: their output, and a status line with their progress.

Jobs write their output to log files, from which the main process prints each new line. If stderr is
a terminal, the main process also draws a status line from the state files that running stages write
(`tandem.engines.stage_output`):

    12/55 stages · train@intent 20 %, 2 min left · clean@sentiment 70 %, 3 s left
"""

import atexit
import json
import logging
import shutil
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.engines import stage_output

INTERVAL = 0.25
"""Seconds between two reads of the logs and state files."""
APART = " · "


def start(workflow: Any, names: Collection[str]) -> "RunDisplay":
    """Display the jobs of a Snakemake run until it ends; `names` are the names of the stages."""
    from snakemake.logging import is_quiet_about, logger

    total = sum(job.rule.name in names for job in workflow.dag.needrun_jobs())
    quiet = is_quiet_about(workflow.output_settings.quiet or (), "progress")
    shutil.rmtree(stage_output.STATES, ignore_errors=True)  # a killed run leaves state files
    display = RunDisplay(names, total, drawn=not quiet and stage_output.is_terminal(sys.stderr))
    logger.addHandler(display)
    # This handler must run before the others, because it clears the status line.
    logger.handlers.insert(0, logger.handlers.pop())
    threading.Thread(target=display.watch, daemon=True).start()
    atexit.register(display.close)
    return display


@dataclass
class Job:
    """A running job."""

    name: str
    log: Path
    started: float = field(default_factory=time.monotonic)
    read: int = 0
    """How many bytes of the log have been printed."""

    def new_lines(self, ended: bool) -> list[str]:
        """New lines of the log; an unfinished last line is included only if the job has `ended`."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.read)
                content = file.read()
        except OSError:  # the job has not started yet
            return []
        content = content if ended else content[: content.rfind(b"\n") + 1]
        self.read += len(content)
        lines = content.decode("utf-8", "replace").splitlines()
        return [line for line in lines if not line.startswith(stage_output.MARK)]


class RunDisplay(logging.Handler):
    """Handles Snakemake's log events, and displays the jobs that are running.

    Args:
        names: The names of the stages; jobs of other rules are not displayed.
        total: The number of stages that the run executes.
        drawn: Whether a status line is drawn on stderr.
    """

    def __init__(self, names: Collection[str], total: int, drawn: bool) -> None:
        super().__init__()
        self.names, self.total, self.drawn = set(names), total, drawn
        self.jobs: dict[int, Job] = {}
        self.done = 0
        self.line = ""
        self.ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Track the jobs; print a job's last output before Snakemake reports the end of the job."""
        self.clear()
        event = getattr(getattr(record, "event", None), "name", "")
        if event == "JOB_INFO":
            name, logs = getattr(record, "rule_name", ""), getattr(record, "log", None)
            if name in self.names and logs:
                log = Path(str(logs[0]))
                log.unlink(missing_ok=True)  # Snakemake removes an old log too, but later
                self.jobs[getattr(record, "jobid", 0)] = Job(name, log)
        elif event in ("JOB_FINISHED", "JOB_ERROR"):
            number = getattr(record, "job_id", getattr(record, "jobid", 0))
            if (job := self.jobs.pop(number, None)) is not None:
                self.done += event == "JOB_FINISHED"
                self.print_output(job, ended=True)

    def watch(self) -> None:
        """Print output and draw the status line until the run ends."""
        while not self.ended:
            time.sleep(INTERVAL)
            self.acquire()
            try:
                with suppress(OSError):
                    self.refresh()
            finally:
                self.release()

    def refresh(self) -> None:
        """Print the new output of the jobs and redraw the status line."""
        for job in list(self.jobs.values()):
            self.print_output(job)
        line = self.describe(stage_output.terminal_width()) if self.drawn else ""
        if line != self.line:
            self.line = line
            sys.stderr.write(stage_output.CLEAR + line)
            sys.stderr.flush()

    def print_output(self, job: Job, ended: bool = False) -> None:
        """Print the new output of a job, each line prefixed with the job's name."""
        if lines := job.new_lines(ended):
            self.clear()
            with suppress(BrokenPipeError):
                print("\n".join(f"{job.name}: {line}" for line in lines), flush=True)

    def clear(self) -> None:
        """Clear the status line."""
        if self.line:
            self.line = ""
            sys.stderr.write(stage_output.CLEAR)
            sys.stderr.flush()

    def describe(self, width: int) -> str:
        """The status line: stages done, running stages with progress; empty if no stage is running.

        If only one stage is running, it is described in full; otherwise, each is described by name,
        percentage and time.
        """
        jobs = list(self.jobs.values())
        if not jobs:
            return ""
        parts = [describe(job, full=len(jobs) == 1) for job in jobs]
        return stage_output.fit(APART.join([f"{self.done}/{self.total} stages", *parts]), width)

    def close(self) -> None:
        """Print the remaining output at the end of the run."""
        if not self.ended:
            self.ended = True
            with suppress(OSError, ValueError):  # stderr may be closed
                self.clear()
        with suppress(OSError, ValueError):
            for job in self.jobs.values():
                self.print_output(job, ended=True)
        super().close()


def describe(job: Job, full: bool) -> str:
    """A job's name and its progress, or the job's running time if the progress is unknown."""
    try:
        state = json.loads(stage_output.state_of(job.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{job.name} {stage_output.duration(time.monotonic() - job.started)}"
    left = state["left"] and max(0, state["left"] - (time.time() - state["written"]))
    parts = [state["text"]] if full or state["percent"] is None else []
    parts += [] if state["percent"] is None else [f"{state['percent']} %"]
    parts += [f"{stage_output.duration(left)} left"] if left else []
    return f"{job.name}{': ' if full else ' '}{', '.join(parts)}"
