"""Torch server: imports torch and transformers once, and forks a child for each stage.

The imports take three seconds of CPU time. With the small params of `make smoke`, the work of most
stages that need these libraries takes less time than the imports. The Snakefile starts the server
when a run begins, and the server ends with the run. The server imports the libraries at the first
request:

    job ── DVC ── tandem train sentiment
                     └ (socket) ── child: runs the stage, sends its exit code

A command that finds no server, for example under `dvc repro` or on a cluster, runs in its own
process.

The server imports only third-party code in advance. Every child imports Tandem's code again, so a
stage runs the code that DVC has hashed. If the params require environment variables other
than those with which the libraries were imported, the child refuses the request, and the command
runs in its own process.
"""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tandem.engines import forkserver, job
from tandem.engines.job import die_with_parent

SOCKET = Path(".snakemake/tandem/torch.sock")
PRELOAD = ("torch", "transformers.trainer", "sklearn.feature_extraction.text")
PACKAGE_ENTRY = '"torch"'
"""A stage whose file in workflow/code contains this text imports torch."""
MIN_STAGES = 4
"""With fewer stages that need torch, the server saves little time: it must import torch itself."""


def run_in_child(arguments: Sequence[str]) -> int | None:
    """Run the command `tandem` with these arguments in a child of the server.

    Returns:
        The exit code of the command; None if the stage that DVC runs does not need torch, or if
        no server handles the request.
    """
    if not needs_torch(os.environ.get("DVC_STAGE", "")):
        return None
    return job.ask(str(SOCKET), "tandem", *arguments)


def needs_torch(stage: str) -> bool:
    """Whether the code of a stage, such as `train@sentiment`, imports torch."""
    try:
        text = Path("workflow/code", f"{stage.replace('@', '/')}.json").read_text(encoding="utf-8")
    except OSError:  # DVC does not run the command, or the stage has no file in workflow/code
        return False
    return PACKAGE_ENTRY in text


def start_server(stages: Iterable[str]) -> "subprocess.Popen[bytes] | None":
    """Start the server for the stale `stages` of a run; the server ends when its stdin is closed.

    Returns None if fewer than `MIN_STAGES` of the stages import torch, or if the system has no
    suitable sockets.
    """
    if sum(map(needs_torch, stages)) < MIN_STAGES or not forkserver.available():
        return None
    command = [sys.executable, "-c", "from tandem.__main__ import serve; serve()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()  # type: ignore[union-attr]  # wait until the server listens, so that every job can connect to it
    return process


def serve(command: Callable[[list[str]], int], preload: Sequence[str] = PRELOAD) -> None:
    """Fork a child for each request until stdin closes.

    Args:
        command: Runs the command `tandem` with the given arguments, and returns its exit code.
        preload: Modules to import at the first request.
    """
    from tandem.core import determinism, params

    die_with_parent(by=signal.SIGTERM)  # a closed stdin goes unnoticed during the imports
    pins = determinism.environment(params.project().runtime)
    os.environ.update(pins)

    def load() -> None:
        for name in preload:
            __import__(name)
        gc.freeze()  # garbage collection in children then skips all imported objects

    def work(words: list[str]) -> Callable[[], int] | None:
        return _work(command, words, pins)

    with forkserver.listen(SOCKET) as listener:
        print(flush=True)
        # In a child, descriptor 0 is the client's stdin, so the child watches a duplicate of the
        # server's stdin.
        forkserver.serve(listener, os.dup(0), work, load)


def _work(
    command: Callable[[list[str]], int], words: list[str], pins: dict[str, str]
) -> Callable[[], int] | None:
    """The work of a child: a function that runs the command `tandem`, with the current code.

    Returns None if the params require environment variables other than `pins`.
    """
    for name in [n for n in sys.modules if n.partition(".")[0] == "tandem"]:
        del sys.modules[name]
    if not _pins_match(pins):
        return None
    return lambda: command(words[1:])


def _pins_match(pins: dict[str, str]) -> bool:
    """Whether the params require `pins`, the environment variables set during the imports."""
    from tandem.core import determinism, params
    from tandem.core.errors import TandemError

    try:
        return determinism.environment(params.project().runtime) == pins
    except TandemError:  # the command itself reports the mistake
        return True
