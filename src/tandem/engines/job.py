"""The client of a fork server, and the command of a Snakemake job: `python -SE job.py STAGE`.

Every job starts with this module, so it imports only parts of the standard library that load in
milliseconds. Python runs this file by its path, so it cannot import other modules of Tandem.
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
MAX_REQUEST = 1 << 20
"""Maximum size in bytes of a request: arguments, working directory and environment."""
PR_SET_PDEATHSIG = 1


def main(stage: str) -> int:
    """Run a stage in the stage server; if there is none, replace this process with `dvc repro`."""
    code = ask(STAGES, stage)
    if code is None:
        command = ["-m", "tandem.patches.dvc", "--wait-for-lock", "repro", "--single-item", stage]
        os.execv(sys.executable, [sys.executable, *command])  # noqa: S606
    return code


def ask(address: str, *words: str) -> int | None:
    """Let the server at `address` handle a request in a child, and return the child's exit code.

    The child gets this process's environment, working directory and standard streams. If the child
    ends without an answer, a one-line message says so, and the exit code is 2.

    Args:
        address: The path of the server's socket.
        words: The arguments of the command that the child runs.

    Returns:
        The exit code; None if no child started the work, because there is no server, the server
        has just been killed, or the child refused the request.
    """
    if not os.path.exists(address):  # noqa: PTH110 - pathlib takes longer to import
        return None
    interrupted = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:

        def close_write(_signal: int, _frame: FrameType | None) -> None:
            # The child treats a closed connection as Ctrl-C, cleans up, and answers.
            interrupted.append(True)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

        signal.signal(signal.SIGINT, close_write)
        die_with_parent()
        try:
            connection.connect(address)
            socket.send_fds(connection, [request(words)], [0, 1, 2])
            started = connection.recv(len(STARTED)) == STARTED
        except OSError:  # the server has just ended
            started = False
        if not started:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            return 130 if interrupted else None
        try:
            answer = connection.recv(16)
        except OSError:
            answer = b""
    if not answer:
        command = " ".join(words)
        print(f"tandem: {command} was killed; it may have run out of memory", file=sys.stderr)
        return 2
    return int(answer)


def request(words: tuple[str, ...]) -> bytes:
    """Encode arguments, working directory and environment for `read_request`."""
    environment = [name + b"=" + value for name, value in os.environb.items()]
    parts = [b"%d" % len(words), *map(os.fsencode, words), os.getcwdb(), *environment]  # noqa: PTH109
    return b"\0".join(parts)


def read_request(message: bytes) -> tuple[list[str], str, dict[str, str]]:
    """Decode a `request`: its arguments, working directory and environment."""
    count, *parts = [os.fsdecode(part) for part in message.split(b"\0")]
    words, folder, *environment = parts[: int(count)], *parts[int(count) :]
    pairs = (entry.partition("=") for entry in environment)
    return words, folder, {name: value for name, _, value in pairs}


def die_with_parent(by: int = signal.SIGINT) -> None:
    """Make Linux send this process a signal when its parent process dies.

    Otherwise, killing the parent would leave an orphan process that continues to write files.
    See prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
