"""A server that forks one child per request, from a process that has loaded what takes long.

    client (`job.ask`) ── words, folder, environment, standard files
        └ child: answers STARTED, does the work, answers its exit code

A child does not depend on its server any more: only its client, or the end of the run, interrupt
it. So a server that is killed takes nothing along, and whoever finds none works alone.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tandem.engines.job import LARGEST, STARTED, read_request

Work = Callable[[list[str]], Callable[[], int] | None]
"""From the words of a request to what a child does; None refuses, and the client works alone."""


def available() -> bool:
    """Whether this system has what a server needs (Linux has; macOS has no SOCK_SEQPACKET)."""
    return hasattr(socket, "send_fds") and sys.platform == "linux"


def listen(address: Path) -> socket.socket:
    """A listening socket that only this user can connect to."""
    address.parent.mkdir(parents=True, exist_ok=True)
    address.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mask = os.umask(0o077)
    listener.bind(str(address))
    os.umask(mask)
    listener.listen(1024)
    return listener


def serve(listener: socket.socket, ended: int, work: Work, load: Callable[[], None]) -> None:
    """Fork a child for each request until the file `ended` can be read, as at its end.

    `load` is called once, when the first request has come; requests wait for it meanwhile.
    """
    address = Path(listener.getsockname())
    inode = address.stat().st_ino
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # each child hears of Ctrl-C by its client
    signal.signal(signal.SIGCHLD, _reap)
    loaded = False
    with listener:
        while listener.fileno() in select.select([listener.fileno(), ended], [], [])[0]:
            if not loaded:
                load()
                loaded = True
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(line, ended, work)
            line.close()
    with contextlib.suppress(FileNotFoundError):
        if address.stat().st_ino == inode:  # not of the next run
            address.unlink()


def _reap(*_: Any) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(line: socket.socket, ended: int, work: Work) -> None:
    """Do what the client at `line` asks for, in its place; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, files, _, _ = socket.recv_fds(line, LARGEST, 3)
        if not message:
            return
        words, folder, environment = read_request(message)
        for file, number in zip(files, (0, 1, 2), strict=True):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        run = work(words)
        if run is None:
            return
        os.setpgid(0, 0)  # Ctrl-C comes through `line`, once, to this child and all it starts
        signal.signal(signal.SIGINT, _interrupt)
        line.send(STARTED)
        threading.Thread(target=_watch, args=(line, ended), daemon=True).start()
        code = run()
        _flush()
        line.send(str(code).encode())
    except Exception:  # a fault of ours: its traceback is for the client, as if it ran there
        traceback.print_exc()
        _flush()
        with contextlib.suppress(OSError):
            line.send(b"1")
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            line.send(b"130")
    finally:
        os._exit(code)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _watch(line: socket.socket, ended: int) -> None:
    """Interrupt this process and its children when the client is interrupted, or the run ends."""
    with contextlib.suppress(OSError):
        select.select([line.fileno(), ended], [], [])
    os.killpg(0, signal.SIGINT)


def _interrupt(*_: Any) -> None:
    """Interrupt once: a second Ctrl-C must not disturb the cleaning up after the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
