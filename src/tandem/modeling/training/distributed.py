"""Train one model with several processes on this machine; each process gets its own batches.

Each process runs the whole stage with the same files and seed, and so builds the same model. In
`fit`, accelerate connects the processes through the environment variables that this module sets,
distributes the batches and averages the gradients (Li et al. 2020, "PyTorch Distributed:
Experiences on Accelerating Data Parallel Training"). All processes end with the same weights, and
the main process writes them.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from tandem.core.errors import StageError, TandemError
from tandem.core.progress import Listener, listen, listener

LOCALHOST = "127.0.0.1"
ERROR_KEY = "error"


def launch(work: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call `work(*arguments)` in several new processes.

    If `processes` is 1, `work` is called in the current process instead.

    Args:
        work: a module-level function, so that it can be pickled.
        processes: how many processes to start.
        arguments: the arguments of `work`.

    Raises:
        StageError: a process died; the others are stopped.
        TandemError: `work` raised this error.
    """
    if processes == 1:
        work(*arguments)
        return
    # The parent process runs the key-value store, on a free port, so that no new process has to
    # wait until another one has started the store.
    store = TCPStore(LOCALHOST, 0, is_master=True, wait_for_workers=False)
    process_arguments = (processes, store.port, work, arguments, listener())
    try:
        start_processes(_join, process_arguments, nprocs=processes, start_method="spawn")  # type: ignore[no-untyped-call]
    except (ProcessExitedException, ProcessRaisedException) as error:
        if store.check([ERROR_KEY]):
            raise TandemError(store.get(ERROR_KEY).decode()) from None
        reason = str(error).strip().splitlines()[-1]
        raise StageError(
            f"process {error.error_index + 1} of {processes} died, and the others were stopped: "
            f"{reason}. If memory ran out, provide more; "
            "to see the whole error, set runtime.processes to 1"
        ) from error


def is_main_process() -> bool:
    """Whether this process is the one that writes files; only call this function after `fit`."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _join(
    rank: int,
    processes: int,
    port: int,
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    shown: Listener | None,
) -> None:
    """Run `work` as process `rank` of `processes`; only process 0 reports its progress."""
    listen(shown if rank == 0 else None)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        MASTER_ADDR=LOCALHOST,
        MASTER_PORT=str(port),
        # tell torch that the store belongs to the parent process
        TORCHELASTIC_USE_AGENT_STORE="True",
        TORCHELASTIC_RESTART_COUNT="0",
    )
    if sys.platform == "linux":
        # use the loopback interface, because it may be impossible to resolve the host name
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        work(*arguments)
    except TandemError as error:
        TCPStore(LOCALHOST, port).set(ERROR_KEY, str(error))
        raise SystemExit(2) from None
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
