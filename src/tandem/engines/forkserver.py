"""A fork server: slow libraries are imported once, and each request is handled in a forked child.

    client (`job.ask`) ── arguments, working directory, environment, standard streams
        └ child: sends STARTED, does the work, sends its exit code

A child does not depend on the server: it is interrupted only by its client or at the end of the
run. If the server is killed, its children continue, and clients without a server do the work
themselves.
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

from tandem.engines.job import MAX_REQUEST, STARTED, read_request

Work = Callable[[list[str]], Callable[[], int] | None]
"""A function that, given a request's arguments, returns the function that the child runs, or None
to let the client do the work itself."""


def available() -> bool:
    """Whether this system supports fork servers: Linux does; macOS lacks SOCK_SEQPACKET."""
    return hasattr(socket, "send_fds") and sys.platform == "linux"


def listen(address: Path) -> socket.socket:
    """Open a listening socket that only this user can connect to."""
    address.parent.mkdir(parents=True, exist_ok=True)
    address.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mask = os.umask(0o077)
    listener.bind(str(address))
    os.umask(mask)
    listener.listen(1024)
    return listener


def serve(listener: socket.socket, end_of_run: int, work: Work, load: Callable[[], None]) -> None:
    """Fork a child for each request until `end_of_run` becomes readable.

    Args:
        listener: The socket that clients connect to.
        end_of_run: A file descriptor that becomes readable when the run ends, such as the read
            end of a pipe whose write end is closed at the end of the run. Children watch the
            descriptor too.
        work: Given a request's arguments, returns the function that the child runs.
        load: Called once, at the first request; requests wait until it has returned.
    """
    address = Path(listener.getsockname())
    inode = address.stat().st_ino
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the clients pass Ctrl-C to the children
    signal.signal(signal.SIGCHLD, _reap)
    loaded = False
    with listener:
        while listener.fileno() in select.select([listener.fileno(), end_of_run], [], [])[0]:
            if not loaded:
                load()
                loaded = True
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _handle_request(connection, end_of_run, work)
            connection.close()
    with contextlib.suppress(FileNotFoundError):
        if address.stat().st_ino == inode:  # the next run may have replaced the socket
            address.unlink()


def _reap(*_: Any) -> None:
    """Reap finished children, so that none remains a zombie."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _handle_request(connection: socket.socket, end_of_run: int, work: Work) -> None:
    """In a child, handle the request of the client at `connection`; this function never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, files, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
        if not message:
            return

        # Take over the client's standard streams, environment and working directory.
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
        # In a new process group, this child and all processes that it starts get Ctrl-C only
        # through the client, not also from the terminal.
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, _interrupt)
        connection.send(STARTED)
        threading.Thread(target=_watch, args=(connection, end_of_run), daemon=True).start()
        code = run()
        _flush()
        connection.send(str(code).encode())
    except Exception:  # a bug: print the traceback to the client's stderr
        traceback.print_exc()
        _flush()
        with contextlib.suppress(OSError):
            connection.send(b"1")
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            connection.send(b"130")
    finally:
        os._exit(code)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _watch(connection: socket.socket, end_of_run: int) -> None:
    """Interrupt this process and its children if the client is interrupted or the run ends."""
    with contextlib.suppress(OSError):
        select.select([connection.fileno(), end_of_run], [], [])
    os.killpg(0, signal.SIGINT)


def _interrupt(*_: Any) -> None:
    """Interrupt once: a second Ctrl-C must not disturb the clean-up after the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
