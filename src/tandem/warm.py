"""Warm starts: one process imports torch and transformers once, and forks a child for each stage.

Importing them takes three seconds of CPU, more than most stages need on tiny params. The Snakefile
starts the process with a run, and it ends with the run. A stage that finds none just runs, as under
`dvc repro` and on a cluster:

    dvc ── tandem train sentiment ──(socket)── warm process
                  └ waits for the exit code        └ child: runs the stage, answers with its code

Only other people's code is imported beforehand. Ours is read anew by every child, so a stage runs
the code that DVC hashes, and the environment that pins the bits is compared before it starts.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tandem.core import determinism, params
from tandem.core.errors import StageError

ADDRESS = Path(".snakemake/tandem/warm.sock")
HEAVY = ("torch", "transformers.trainer", "sklearn.feature_extraction.text")
WORTH = 4
"""Stages from which on it pays: the imports cost as much as one stage's."""
COLD = b"cold"
LARGEST = 1 << 20
"""Bytes of a request at the most: arguments and environment."""


def start(stages: int) -> "subprocess.Popen[bytes] | None":
    """A warm process for a run of so many stages, if that pays; it ends when its stdin closes."""
    if stages < WORTH or not hasattr(socket, "send_fds"):
        return None
    command = [sys.executable, "-c", "from tandem import warm; warm.serve()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def run(arguments: Sequence[str], pins: dict[str, str]) -> int | None:
    """The exit code of `tandem ARGUMENTS` in a child of the warm process; None if there is none.

    `pins` are the variables that pin the bits: a process with others is no use.

    Raises:
        StageError: the child died without an answer.
    """
    if not ADDRESS.exists():
        return None
    request = {
        "arguments": list(arguments),
        "environment": {**os.environ, **pins},
        "pins": pins,
        "folder": str(Path.cwd()),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        try:
            line.connect(str(ADDRESS))
            socket.send_fds(line, [json.dumps(request).encode()], [0, 1, 2])
        except OSError:  # it has just ended
            return None
        # the child is told of Ctrl-C by the end of what it hears, cleans up, and answers 130
        signal.signal(signal.SIGINT, lambda *_: _hang_up(line))
        answer = line.recv(len(COLD))
    if not answer:
        raise StageError(f"tandem {' '.join(arguments)} was killed; was there memory enough?")
    return None if answer == COLD else int(answer)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_WR)


def serve(heavy: Sequence[str] = HEAVY) -> None:
    """Import what is `heavy`, then fork a child for each request until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pins = determinism.environment(params.project().runtime)
    os.environ.update(pins)
    for name in heavy:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    ADDRESS.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        mask = os.umask(0o077)
        listener.bind(str(ADDRESS))
        os.umask(mask)
        listener.listen(64)
        while listener.fileno() in select.select([listener.fileno(), 0], [], [])[0]:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(line, pins)
            line.close()
    ADDRESS.unlink(missing_ok=True)


def _answer(line: socket.socket, pins: dict[str, str]) -> None:
    """Run what `line` asks for, in the place of the process that asked; never returns."""
    code = 1
    try:
        request, files, _, _ = socket.recv_fds(line, LARGEST, 3)
        asked: dict[str, Any] = json.loads(request)
        if asked["pins"] != pins:
            line.send(COLD)
            return
        for file, number in zip(files, (0, 1, 2), strict=True):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        for name in [n for n in sys.modules if n.partition(".")[0] == "tandem"]:
            del sys.modules[name]
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, _interrupt)
        threading.Thread(target=_listen, args=(line,), daemon=True).start()
        from tandem import cli

        code = cli.main(asked["arguments"], in_child=True)
        sys.stdout.flush()
        sys.stderr.flush()
        line.send(str(code).encode())
    except Exception:  # a fault of ours: its traceback is for who asked, as if run there
        traceback.print_exc()
        sys.stderr.flush()
        line.send(b"1")
    finally:
        os._exit(code)


def _listen(line: socket.socket) -> None:
    """Interrupt this process when whoever asked is interrupted or gone."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os.kill(os.getpid(), signal.SIGINT)


def _interrupt(*_: Any) -> None:
    """One Ctrl-C can come by two ways, and must not disturb its own cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
