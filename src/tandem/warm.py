"""Warm starts: one process imports what is slow to import once, and forks a child a command.

Importing torch and transformers takes three seconds of CPU, more than most stages need on tiny
params, and DVC half a second. The Snakefile starts the process with a run, and it ends with the
run:

    job ── python -m tandem.warm dvc repro …
             └ (socket) ── child: dvc ── tandem train sentiment
                                           └ (socket) ── child: runs the stage, answers with
                                                         its exit code

Under `dvc repro` of the whole pipeline, on Linux, the first stage starts it, and it ends with dvc.
A command that finds none just runs, as that first stage does, and as all do on a cluster.

Only other people's code is imported beforehand. Ours is read anew by every child, so a stage runs
the code that DVC hashes, and the environment that pins the bits is compared before it starts. The
side that asks imports nothing that is slow: it is what every stage begins with.
"""

import contextlib
import ctypes
import fcntl
import gc
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

ADDRESS = Path(".snakemake/tandem/warm.sock")
ALONE = ADDRESS.with_suffix(".lock")
"""Locked by the one warm process of a folder."""
SHELLS = ("sh", "bash", "dash", "zsh")
HEAVY = (
    "dvc.cli.parser",
    "dvc.dvcfile",
    "dvc.lock",
    "dvc.output",
    "dvc.parsing.interpolate",
    "dvc.repo.plots",
    "dvc.repo.reproduce",
    "dvc.rwlock",
    "dvc.scm",
    "dvc.utils.strictyaml",
    "dvc_data.index",
    "ruamel.yaml",
    "scmrepo.git",
    "torch",
    "transformers.trainer",
    "sklearn.feature_extraction.text",
)
WORTH = 4
"""Stages from which on it pays: the imports cost as much as one stage's."""
COLD = b"cold"
LARGEST = 1 << 20
"""Bytes of a request at the most: arguments and environment."""
PR_SET_PDEATHSIG = 1


def main() -> int:
    """`python -m tandem.warm dvc …`: the command in a child of the warm process, or as it is."""
    code = run(*sys.argv[1:])
    if code is None:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - there is no shell on purpose
    return code


def tandem() -> int:
    """The command `tandem`; its exit code. What DVC runs may be run in a child."""
    if "DVC_STAGE" in os.environ:
        code = run("tandem", *sys.argv[1:])
        if code is not None:
            return code
        _start_for_dvc()
    from tandem import cli

    return cli.main()


def start(stages: int) -> "subprocess.Popen[bytes] | None":
    """A warm process for a run of so many stages, if that pays; it ends when its stdin closes."""
    if stages < WORTH or not hasattr(socket, "send_fds"):
        return None
    command = [sys.executable, "-c", "from tandem import warm; warm.serve()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def _start_for_dvc() -> None:
    """A warm process for the stages to come, if dvc runs the whole pipeline; it ends with dvc."""
    if not hasattr(os, "pidfd_open") or not hasattr(socket, "send_fds"):
        return
    with contextlib.suppress(OSError, ValueError):  # who ran us may be gone, or not be ours to see
        dvc = _above(os.getpid())
        if (Path("/proc") / str(dvc) / "comm").read_text().strip() in SHELLS:
            dvc = _above(dvc)
        words = (Path("/proc") / str(dvc) / "cmdline").read_text().split("\0")[:-1]
        if all(word.startswith("-") for word in words[words.index("repro") + 1 :]):
            ended = os.pidfd_open(dvc)
            command = [sys.executable, "-c", f"from tandem import warm; warm.serve(ended={ended})"]
            none = subprocess.DEVNULL
            subprocess.Popen(
                command, stdin=none, stdout=none, stderr=none, pass_fds=[ended],
                start_new_session=True,
            )  # fmt: skip


def _above(process: int) -> int:
    """The parent of a process, by proc(5)."""
    stat = (Path("/proc") / str(process) / "stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def run(program: str, *arguments: str) -> int | None:
    """The exit code of `program`, tandem or dvc, in a child of the warm process; None without one.

    A child that dies without an answer is told of in a line, and 2.
    """
    if not ADDRESS.exists():
        return None
    request = {
        "program": program,
        "arguments": arguments,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        # the child is told of Ctrl-C by the end of what it hears, cleans up, and answers
        signal.signal(signal.SIGINT, lambda *_: _hang_up(line))
        die_with_parent()
        try:
            line.connect(str(ADDRESS))
            socket.send_fds(line, [json.dumps(request).encode()], [0, 1, 2])
        except OSError:  # it has just ended
            return None
        answer = line.recv(len(COLD))
    if not answer:
        told = " ".join([program, *arguments])
        print(f"tandem: {told} was killed; was there memory enough?", file=sys.stderr)
        return 2
    return None if answer == COLD else int(answer)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_WR)


def die_with_parent(by: int = signal.SIGINT) -> None:
    """Have Linux end this process when the engine that started it dies.

    A killed engine would else leave an orphan that goes on writing (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def serve(heavy: Sequence[str] = HEAVY, ended: int = 0) -> None:
    """Import what is `heavy`, then fork a child for each request until the file `ended` ends.

    That is stdin, or a pidfd (pidfd_open(2)), which can be read when its process is gone. A second
    one in the same folder ends at once.
    """
    from tandem.core import determinism, params

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not ended:
        die_with_parent(by=signal.SIGTERM)  # stdin is not looked at before the imports are done
    ADDRESS.parent.mkdir(parents=True, exist_ok=True)
    with ALONE.open("w") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        pins = determinism.environment(params.project().runtime)
        os.environ.update(pins)
        for name in heavy:
            __import__(name)
        gc.freeze()  # what is imported stays: no child has to look for garbage in it
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
        _fork_for_requests(pins, ended)


def _fork_for_requests(pins: dict[str, str], ended: int) -> None:
    """Fork a child for each request that comes in, until `ended` can be read."""
    ADDRESS.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        mask = os.umask(0o077)
        listener.bind(str(ADDRESS))
        os.umask(mask)
        listener.listen(64)
        while listener.fileno() in select.select([listener.fileno(), ended], [], [])[0]:
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
        for file, number in zip(files, (0, 1, 2), strict=True):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        for name in [n for n in sys.modules if n.partition(".")[0] == "tandem"]:
            del sys.modules[name]
        if asked["program"] == "tandem" and not _pinned_by(pins):
            line.send(COLD)
            return
        os.setpgid(0, 0)  # Ctrl-C comes through `line`, once, to this child and all it starts
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, _interrupt)
        threading.Thread(target=_listen, args=(line,), daemon=True).start()
        code = _run(asked["program"], asked["arguments"])
        sys.stdout.flush()
        sys.stderr.flush()
        line.send(str(code).encode())
    except Exception:  # a fault of ours: its traceback is for who asked, as if run there
        traceback.print_exc()
        sys.stderr.flush()
        line.send(b"1")
    finally:
        os._exit(code)


def _pinned_by(pins: dict[str, str]) -> bool:
    """Whether the params ask for the pins that the libraries were imported under."""
    from tandem.core import determinism, params
    from tandem.core.errors import TandemError

    try:
        return determinism.environment(params.project().runtime) == pins
    except TandemError:  # the command itself will say so
        return True


def _run(program: str, arguments: list[str]) -> int:
    if program == "dvc":
        from dvc.cli import main as dvc

        from tandem import lockfile
        from tandem.core import io

        lockfile.hasten()
        with io.uncollected():  # what DVC reads it keeps to its end
            return int(dvc(arguments))
    from tandem import cli

    return cli.main(arguments, in_child=True)


def _listen(line: socket.socket) -> None:
    """Interrupt this process and what it started when whoever asked is interrupted or gone."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os.killpg(0, signal.SIGINT)


def _interrupt(*_: Any) -> None:
    """One Ctrl-C can come by two ways, and must not disturb its own cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
