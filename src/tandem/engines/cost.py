"""The time and memory that each run of a stage takes, as printed by `tandem cost`.

Each run appends its wall-clock seconds, CPU seconds and peak memory to a log, as one line. Costs
depend on the machine, so the log is not an artifact of the project; it is kept in .dvc/tmp, with
DVC's own temporary files. If a stage is skipped, or its outputs are restored from a cache, no
line is added to the log.
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
    """Log the time and memory that the `with` block takes, if the block succeeds.

    Args:
        arguments: The arguments of the `tandem` command that runs in the block.
    """
    start, cpu_start = time.monotonic(), time.process_time()
    yield
    if not LOG.parents[2].is_dir():  # the stage was run by hand, outside of a DVC repository
        return
    run = {
        "stage": " ".join(arguments),
        "seconds": round(time.monotonic() - start, 1),
        "cpu_seconds": round(time.process_time() - cpu_start, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES_PER_MEGABYTE,
        "kernels": fingerprint.for_log(),
    }
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:  # one write per line: stages run concurrently
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
        raise StageError(f"{path} is damaged: remove it, and later runs will recreate it") from None


def last_runs() -> list[dict[str, Any]]:
    """The last logged run of each stage, longest first."""
    last = {run["stage"]: run for run in runs()}
    return sorted(last.values(), key=lambda run: (-run["seconds"], run["stage"]))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of a table: wall-clock seconds, CPU seconds and peak memory in MB of each run.

    The last line contains the total CPU seconds and the highest peak of all runs.
    """
    if not rows:
        return [f"no stage of this project has run on this machine yet; {LOG} is empty or missing"]
    total = sum(row["cpu_seconds"] for row in rows)
    return [
        f"{'seconds':>8} {'CPU s':>8} {'peak MB':>8}  stage",
        *(
            f"{row['seconds']:8.1f} {row['cpu_seconds']:8.1f} {row['peak_mb']:8}  {row['stage']}"
            for row in rows
        ),
        f"{'':8} {total:8.1f} {max(row['peak_mb'] for row in rows):8}  all",
    ]
