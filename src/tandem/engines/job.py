"""The client of a fork server, and the command of a Snakemake job: `python -SE job.py STAGE`.

It imports nothing but parts of the standard library that load in milliseconds, since every job
starts with it. Python runs it by its path, so it imports nothing of Tandem either.
"""

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

STAGES = ".snakemake/tandem/stages.sock"
"""The socket of the server that runs stages (`tandem.engines.stage_server`)."""
STARTED = b"started"
LARGEST = 1 << 20
"""Bytes of a request at most: words, folder and environment."""
PR_SET_PDEATHSIG = 1


def main(stage: str) -> int:
    """Run one stage by the server of this run; without one, this process becomes `dvc`."""
    code = ask(STAGES, stage)
    if code is None:
        dvc = ["-m", "tandem.patches.dvc", "--wait-for-lock"]
        os.execv(sys.executable, [sys.executable, *dvc, "repro", "--single-item", stage])  # noqa: S606
    return code


def ask(address: str, *words: str) -> int | None:
    """The exit code of what a child of the server at `address` does for `words`.

    The child gets this process's environment, working directory and standard files. None if no
    child has started: there is no server, it is killed meanwhile, or it refuses. A child that
    dies without an answer is reported in a line; its code is 2.
    """
    if not os.path.exists(address):  # noqa: PTH110 - pathlib takes longer to import
        return None
    interrupted = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:

        def hang_up(_signal: int, _frame: FrameType | None) -> None:
            # The child reads the end of the line as Ctrl-C, cleans up, and answers.
            interrupted.append(True)
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)

        signal.signal(signal.SIGINT, hang_up)
        die_with_parent()
        try:
            line.connect(address)
            socket.send_fds(line, [request(words)], [0, 1, 2])
            started = line.recv(len(STARTED)) == STARTED
        except OSError:  # the server has just ended
            started = False
        if not started:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return 130 if interrupted else None
        try:
            answer = line.recv(16)
        except OSError:
            answer = b""
    if not answer:
        print(f"tandem: {' '.join(words)} was killed; was there memory enough?", file=sys.stderr)
        return 2
    return int(answer)


def request(words: tuple[str, ...]) -> bytes:
    """The words, the working directory and the environment, for `read_request`."""
    environment = [name + b"=" + value for name, value in os.environb.items()]
    parts = [b"%d" % len(words), *map(os.fsencode, words), os.getcwdb(), *environment]  # noqa: PTH109
    return b"\0".join(parts)


def read_request(message: bytes) -> tuple[list[str], str, dict[str, str]]:
    """Words, folder and environment of a `request`."""
    count, *parts = [os.fsdecode(part) for part in message.split(b"\0")]
    words, folder, *environment = parts[: int(count)], *parts[int(count) :]
    pairs = (entry.partition("=") for entry in environment)
    return words, folder, {name: value for name, _, value in pairs}


def die_with_parent(by: int = signal.SIGINT) -> None:
    """Have Linux end this process when the engine that started it dies.

    A killed engine would else leave an orphan that goes on writing (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
