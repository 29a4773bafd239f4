"""What `snakemake` shows of its jobs: what they print, and a line of how far they have come.

Jobs write into log files. The main process prints what these gain. If stderr is a terminal, it also
draws one line from the state files that running stages keep (`tandem.engines.stage_output`):

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
"""Seconds between two looks at logs and states."""
APART = " · "


def start(workflow: Any, names: Collection[str]) -> "RunDisplay":
    """Show the jobs of a run of Snakemake until it ends; `names` are those of the stages."""
    from snakemake.logging import is_quiet_about, logger

    total = sum(job.rule.name in names for job in workflow.dag.needrun_jobs())
    quiet = is_quiet_about(workflow.output_settings.quiet or (), "progress")
    shutil.rmtree(stage_output.STATES, ignore_errors=True)  # of a run that was killed
    display = RunDisplay(names, total, drawn=not quiet and stage_output.is_terminal(sys.stderr))
    logger.addHandler(display)
    logger.handlers.insert(0, logger.handlers.pop())  # the line is cleared before others write
    threading.Thread(target=display.watch, daemon=True).start()
    atexit.register(display.close)
    return display


@dataclass
class Job:
    """A job that runs."""

    name: str
    log: Path
    started: float = field(default_factory=time.monotonic)
    read: int = 0
    """How many bytes of the log have been printed."""

    def new_lines(self, ended: bool) -> list[str]:
        """The lines that the log has gained; the last one may lack its end only if it `ended`."""
        try:
            with self.log.open("rb") as file:
                file.seek(self.read)
                content = file.read()
        except OSError:  # it has not started yet
            return []
        content = content if ended else content[: content.rfind(b"\n") + 1]
        self.read += len(content)
        lines = content.decode("utf-8", "replace").splitlines()
        return [line for line in lines if not line.startswith(stage_output.MARK)]


class RunDisplay(logging.Handler):
    """Follows the jobs by what Snakemake logs of them.

    Args:
        names: The stages; other rules are not shown.
        total: How many of them run.
        drawn: Whether a line is drawn on stderr.
    """

    def __init__(self, names: Collection[str], total: int, drawn: bool) -> None:
        super().__init__()
        self.names, self.total, self.drawn = set(names), total, drawn
        self.jobs: dict[int, Job] = {}
        self.done = 0
        self.line = ""
        self.ended = False

    def emit(self, record: logging.LogRecord) -> None:
        """Note which job starts or ends; print what it has printed before Snakemake's message."""
        self.clear()
        event = getattr(getattr(record, "event", None), "name", "")
        if event == "JOB_INFO":
            name, logs = getattr(record, "rule_name", ""), getattr(record, "log", None)
            if name in self.names and logs:
                log = Path(str(logs[0]))
                log.unlink(missing_ok=True)  # of its last run; Snakemake removes it a little later
                self.jobs[getattr(record, "jobid", 0)] = Job(name, log)
        elif event in ("JOB_FINISHED", "JOB_ERROR"):
            number = getattr(record, "job_id", getattr(record, "jobid", 0))
            if (job := self.jobs.pop(number, None)) is not None:
                self.done += event == "JOB_FINISHED"
                self.print_output(job, ended=True)

    def watch(self) -> None:
        """Print and draw, until the run ends."""
        while not self.ended:
            time.sleep(INTERVAL)
            self.acquire()
            try:
                with suppress(OSError):
                    self.refresh()
            finally:
                self.release()

    def refresh(self) -> None:
        """Print what jobs have printed, and draw the line again."""
        for job in list(self.jobs.values()):
            self.print_output(job)
        line = self.describe(stage_output.terminal_width()) if self.drawn else ""
        if line != self.line:
            self.line = line
            sys.stderr.write(stage_output.CLEAR + line)
            sys.stderr.flush()

    def print_output(self, job: Job, ended: bool = False) -> None:
        """Print what a job has printed since the last time, each line after the job's name."""
        if lines := job.new_lines(ended):
            self.clear()
            with suppress(BrokenPipeError):
                print("\n".join(f"{job.name}: {line}" for line in lines), flush=True)

    def clear(self) -> None:
        """Take the drawn line away."""
        if self.line:
            self.line = ""
            sys.stderr.write(stage_output.CLEAR)
            sys.stderr.flush()

    def describe(self, width: int) -> str:
        """The line: stages done of all, what runs and how far it has come; empty if nothing runs.

        One stage is described in full, several by their name, percent and time.
        """
        jobs = list(self.jobs.values())
        if not jobs:
            return ""
        parts = [describe(job, full=len(jobs) == 1) for job in jobs]
        return stage_output.fit(APART.join([f"{self.done}/{self.total} stages", *parts]), width)

    def close(self) -> None:
        """Print what is left at the end of the run."""
        if not self.ended:
            self.ended = True
            with suppress(OSError, ValueError):  # nobody may read any more
                self.clear()
        with suppress(OSError, ValueError):
            for job in self.jobs.values():
                self.print_output(job, ended=True)
        super().close()


def describe(job: Job, full: bool) -> str:
    """A job's name and how far it has come, or how long it has run."""
    try:
        state = json.loads(stage_output.state_of(job.name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{job.name} {stage_output.duration(time.monotonic() - job.started)}"
    left = state["left"] and max(0, state["left"] - (time.time() - state["written"]))
    parts = [state["text"]] if full or state["percent"] is None else []
    parts += [] if state["percent"] is None else [f"{state['percent']} %"]
    parts += [f"{stage_output.duration(left)} left"] if left else []
    return f"{job.name}{': ' if full else ' '}{', '.join(parts)}"
