"""What a stage's last run cost: seconds, CPU seconds, peak memory; `tandem cost` prints the table.

A log of this machine, so it lies beside DVC's own in .dvc/tmp, and is no artifact.
"""

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem import fingerprint

LOG = Path(".dvc/tmp/cost")
KILOBYTES_A_MEGABYTE = 1024


@contextmanager
def measured(*arguments: str) -> Iterator[None]:
    """Log what the body costs as the run of the stage `arguments`, if it ends well."""
    started, spent = time.monotonic(), time.process_time()
    yield
    if not LOG.parent.parent.is_dir():  # no DVC project, as in a trial
        return
    found = {
        "stage": " ".join(arguments),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - spent, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES_A_MEGABYTE,
        "kernels": fingerprint.for_log(),
    }
    LOG.mkdir(parents=True, exist_ok=True)
    (LOG / f"{'-'.join(arguments)}.json").write_text(json.dumps(found))


def show() -> None:
    """Print seconds, CPU seconds and peak memory (MB) of each stage's last run, dearest first."""
    rows = [json.loads(path.read_text()) for path in LOG.glob("*.json")]
    rows.sort(key=lambda row: (-row["seconds"], row["stage"]))
    print(f"{'seconds':>8} {'CPU s':>8} {'peak MB':>8}  stage")
    for row in rows:
        print(f"{row['seconds']:8.1f} {row['cpu_seconds']:8.1f} {row['peak_mb']:8}  {row['stage']}")
    total = sum(row["cpu_seconds"] for row in rows)
    print(f"{'':8} {total:8.1f} {max((row['peak_mb'] for row in rows), default=0):8}  all")
