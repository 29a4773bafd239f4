"""The lock of a run, and repairs after a run that was killed.

    .snakemake/tandem/run.lock      held by the Snakemake process that executes jobs in this folder
    .snakemake/tandem/dvc.lock      a copy of the last complete dvc.lock
    .snakemake/incomplete           Snakemake's markers of outputs that a job was writing

When a run is planned, an incomplete dvc.lock is restored and Snakemake's markers are removed, so a
run that was killed needs no manual repair.
"""

import fcntl
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import StageError

STATE = Path(".snakemake/tandem")
"""The folder with the files that describe the state of a run."""
RUN_LOCK = STATE / "run.lock"
LOCK_COPY = STATE / paths.LOCK.name
INCOMPLETE = Path(".snakemake/incomplete")


def acquire_run_lock() -> IO[str]:
    """Allow only one Snakemake process at a time to execute jobs in this folder.

    The lock is held while the returned file is open. Snakemake's own lock outlives a killed process
    and has to be removed by hand; the kernel releases this lock when the process ends.

    Raises:
        StageError: another Snakemake process holds the lock.
    """
    STATE.mkdir(parents=True, exist_ok=True)
    file = RUN_LOCK.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StageError(
            "another snakemake is running in this folder: wait for it to end"
        ) from None
    return file


def clear_incomplete_marks() -> None:
    """Remove Snakemake's markers of incomplete outputs, unless Snakemake is running in this folder.

    If Snakemake finds a marker, it stops with an error or executes the job again. Neither is
    necessary: a stage writes all of its outputs or none, and DVC knows which outputs are valid.
    """
    with suppress(StageError), acquire_run_lock():
        for mark in INCOMPLETE.glob("**/*"):
            if mark.is_file():
                mark.unlink()


def back_up_dvc_lock() -> None:
    """Copy dvc.lock: DVC writes it in place, so a killed process can leave it empty."""
    if paths.LOCK.exists():
        STATE.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.LOCK, LOCK_COPY)


def restore_dvc_lock() -> None:
    """Restore the last copy of dvc.lock if a killed process left the file incomplete.

    The results of stages that ran after the copy was made are not lost: they are in DVC's run
    cache.

    Raises:
        StageError: dvc.lock contains merge conflict markers.
    """
    if not paths.LOCK.exists():
        return
    text = paths.LOCK.read_text(encoding="utf-8", errors="replace")
    if "<<<<<<<" in text:
        raise StageError(f"{paths.LOCK} has merge conflict markers: run `tandem merge-lock`")
    is_copy = LOCK_COPY.exists() and LOCK_COPY.read_text(encoding="utf-8") == text
    if is_copy or is_complete(text):
        return
    paths.LOCK.unlink()
    if LOCK_COPY.exists():
        shutil.copyfile(LOCK_COPY, paths.LOCK)
    repair = "restored from a copy" if LOCK_COPY.exists() else "removed"
    print(
        f"tandem: {paths.LOCK} was incomplete after a crash and was {repair}; "
        "no results are lost: they are in DVC's run cache",
        file=sys.stderr,
    )


def is_complete(text: str) -> bool:
    """Whether the text of dvc.lock is complete: YAML with the key `stages` and a final newline."""
    try:
        content = io.parse_yaml(text)
    except YAMLError:
        return False
    return text.endswith("\n") and isinstance(content, dict) and "stages" in content
