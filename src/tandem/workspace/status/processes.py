"""DVC and Snakemake processes that are running in a project."""

import json
import textwrap
from contextlib import suppress
from pathlib import Path

import psutil

from tandem.engines import locks


def running(root: Path) -> dict[str, str]:
    """Absolute path → the running DVC process that writes it, according to DVC's path locks."""
    path = root / ".dvc/tmp/rwlock"
    try:
        held = json.loads(path.read_text(encoding="utf-8"))["write"]
        written = path.stat().st_mtime
        return {
            str(out): _process(holder["cmd"], holder["pid"])
            for out, holder in held.items()
            if _is_alive(holder["pid"], written)
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # no lock is held, or the lock file is being written


def _is_alive(pid: int, since: float) -> bool:
    """Whether a process with this PID was started no later than `since`; PIDs can be reused."""
    try:
        return bool(psutil.Process(pid).create_time() <= since + 1)
    except psutil.Error:
        return False


def _process(command: str, pid: int) -> str:
    program, *words = command.split(" ")
    shown = " ".join([Path(program).name, *words])
    return f"`{textwrap.shorten(shown, 72, placeholder=' …')}` (process {pid})"


def snakemake_head() -> str:
    """The Snakemake process that runs jobs in this folder; it holds the lock of `acquire_run_lock`.

    The process is looked up in the kernel's list of locks, because testing the lock would mean
    acquiring it. The result is empty if no Snakemake process runs or /proc/locks cannot be read.
    """
    try:
        inode = locks.RUN_LOCK.stat().st_ino
        entries = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for entry in entries:
        _, kind, _, _, pid, where, *_ = [word for word in entry.split() if word != "->"]
        if kind == "FLOCK" and where.rpartition(":")[2] == str(inode):
            # Inode numbers are unique only within a file system, so the lock may be another file's.
            with suppress(psutil.Error, StopIteration):
                words = psutil.Process(int(pid)).cmdline()
                start = next(at for at, word in enumerate(words) if "snakemake" in Path(word).name)
                return _process(" ".join(words[start:]), int(pid))
    return ""
