"""What each run of a stage cost: seconds, CPU seconds, peak memory; `tandem cost` prints a table.

Each run appends one line to a log. The log belongs to this machine, so it is next to DVC's own
files in .dvc/tmp and is not an artifact. A stage that an engine skips or restores adds no line.
"""

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem.core.errors import StageError
from tandem.machine import fingerprint

LOG = Path(".dvc/tmp/tandem/runs.jsonl")
KILOBYTES_PER_MEGABYTE = 1024


@contextmanager
def log_cost(*arguments: str) -> Iterator[None]:
    """Log what the body costs as a run of the stage `arguments`, if it ends well."""
    started, spent = time.monotonic(), time.process_time()
    yield
    if not LOG.parents[2].is_dir():  # not a DVC project, as in a trial
        return
    run = {
        "stage": " ".join(arguments),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES_PER_MEGABYTE,
        "kernels": fingerprint.for_log(),
    }
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:  # one write per line, so runs can be concurrent
        log.write(json.dumps(run) + "\n")


def runs(root: Path = Path()) -> list[dict[str, Any]]:
    """All logged runs of the project in `root`, in the order in which they ended.

    Raises:
        StageError: a line of the log is damaged.
    """
    path = root / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        return [dict(json.loads(line)) for line in lines]
    except ValueError:
        raise StageError(f"{path} is damaged: remove it; later runs write it again") from None


def last_runs() -> list[dict[str, Any]]:
    """The last logged run of each stage, longest first."""
    last = {run["stage"]: run for run in runs()}
    return sorted(last.values(), key=lambda run: (-run["seconds"], run["stage"]))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of a table: seconds, CPU seconds and peak memory (MB) of each run, and of all."""
    if not rows:
        return ["no stage has run here yet; the log is " + str(LOG)]
    total = sum(row["cpu_seconds"] for row in rows)
    return [
        f"{'seconds':>8} {'CPU s':>8} {'peak MB':>8}  stage",
        *(
            f"{row['seconds']:8.1f} {row['cpu_seconds']:8.1f} {row['peak_mb']:8}  {row['stage']}"
            for row in rows
        ),
        f"{'':8} {total:8.1f} {max(row['peak_mb'] for row in rows):8}  all",
    ]
