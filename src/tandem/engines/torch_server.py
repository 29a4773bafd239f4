"""One process imports torch and transformers once, and forks a child per stage that needs them.

Importing them takes three seconds of CPU, more than most such stages need on tiny params. The
Snakefile starts the process with a run, and it ends with the run. It imports at the first request:

    job ── DVC ── tandem train sentiment
                     └ (socket) ── child: runs the stage, answers its exit code

Under `dvc repro` of the whole pipeline, on Linux, the first such stage starts it, and it ends with
dvc. A command that finds none just runs, as that first stage does, and as all do on a cluster.

Only other people's code is imported beforehand. Every child imports ours again, so a stage runs
the code that DVC hashes, and the environment that pins the bits is compared before it starts.
"""

import contextlib
import fcntl
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tandem.engines import forkserver, job
from tandem.engines.job import die_with_parent

SOCKET = Path(".snakemake/tandem/warm.sock")
INSTANCE_LOCK = SOCKET.with_suffix(".lock")
"""Locked by the one warm process of a folder."""
SHELLS = ("sh", "bash", "dash", "zsh")
PRELOAD = ("torch", "transformers.trainer", "sklearn.feature_extraction.text")
NEEDED_BY = '"torch"'
"""In a stage's file of workflow/code: the stage needs what is heavy."""
SERVE = "from tandem.engines import torch_server; torch_server.serve({})"
MIN_STAGES = 4
"""Stages from which on it pays: the imports cost as much as one stage's."""


def entry_point() -> int:
    """The command `tandem`; its exit code. What DVC runs may be run in a child."""
    if is_heavy(os.environ.get("DVC_STAGE", "")):
        code = job.ask(str(SOCKET), "tandem", *sys.argv[1:])
        if code is not None:
            return code
        _start_for_dvc()
    from tandem import cli

    return cli.main()


def is_heavy(stage: str) -> bool:
    """Whether the code of a stage, as `train@sentiment`, imports torch."""
    try:
        text = Path("workflow/code", f"{stage.replace('@', '/')}.json").read_text(encoding="utf-8")
        return NEEDED_BY in text
    except OSError:  # not a stage, or one of the user's own
        return False


def start_server(stages: Iterable[str]) -> "subprocess.Popen[bytes] | None":
    """A process for the stale stages of a run, if it pays; it ends when its stdin closes."""
    if sum(map(is_heavy, stages)) < MIN_STAGES or not forkserver.available():
        return None
    command = [sys.executable, "-c", SERVE.format("")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()  # type: ignore[union-attr]  # it listens: every job finds it
    return process


def _start_for_dvc() -> None:
    """A warm process for the stages to come, if dvc runs the whole pipeline; it ends with dvc."""
    if not hasattr(os, "pidfd_open") or not forkserver.available():
        return
    with contextlib.suppress(OSError, ValueError):  # who ran us may be gone, or not be ours to see
        dvc = _above(os.getpid())
        if (Path("/proc") / str(dvc) / "comm").read_text().strip() in SHELLS:
            dvc = _above(dvc)
        words = (Path("/proc") / str(dvc) / "cmdline").read_text().split("\0")[:-1]
        if all(word.startswith("-") for word in words[words.index("repro") + 1 :]):
            ended = os.pidfd_open(dvc)
            command = [sys.executable, "-c", SERVE.format(f"ended={ended}")]
            none = subprocess.DEVNULL
            subprocess.Popen(
                command, stdin=none, stdout=none, stderr=none, pass_fds=[ended],
                start_new_session=True,
            )  # fmt: skip


def _above(process: int) -> int:
    """The parent of a process, by proc(5)."""
    stat = (Path("/proc") / str(process) / "stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def serve(heavy: Sequence[str] = PRELOAD, ended: int = 0) -> None:
    """Fork a child for each request until the file `ended` ends; import what is `heavy` first.

    `ended` is stdin, or a pidfd (pidfd_open(2)), which can be read when its process is gone. A
    second process in the same folder ends at once.
    """
    from tandem.core import determinism, params

    if not ended:
        die_with_parent(by=signal.SIGTERM)  # stdin is not read before the imports are done
    INSTANCE_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with INSTANCE_LOCK.open("w") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        pins = determinism.environment(params.project().runtime)
        os.environ.update(pins)

        def load() -> None:
            for name in heavy:
                __import__(name)
            gc.freeze()  # what is imported stays: no child has to look for garbage in it

        def work(words: list[str]) -> Callable[[], int] | None:
            return _work(words, pins)

        if ended:  # no stage waits for the imports, they run next to the first one
            load()
        with forkserver.listen(SOCKET) as listener:
            print(flush=True)
            # a child's own stdin takes the number 0, and it watches the end of the run too
            forkserver.serve(listener, ended or os.dup(0), work, load)


def _work(words: list[str], pins: dict[str, str]) -> Callable[[], int] | None:
    """What a child does: the command `tandem` with the code as it is now."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "tandem"]:
        del sys.modules[name]
    if not _pinned_by(pins):
        return None

    def run() -> int:
        from tandem import cli

        return cli.main(words[1:], in_child=True)

    return run


def _pinned_by(pins: dict[str, str]) -> bool:
    """Whether the params ask for the pins that the libraries were imported under."""
    from tandem.core import determinism, params
    from tandem.core.errors import TandemError

    try:
        return determinism.environment(params.project().runtime) == pins
    except TandemError:  # the command itself will say so
        return True
