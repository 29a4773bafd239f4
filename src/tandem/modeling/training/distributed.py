"""Have several processes of this machine train one model, each on its own batches of a step.

Each process runs the whole of a stage's work from the same files and seed, and so builds the same
model; in `fit`, accelerate finds the others by the variables that are set here, deals out the
batches and averages the gradients after each (Li et al. 2020, "PyTorch Distributed: Experiences
on Accelerating Data Parallel Training"). Then all have the same weights, and the first writes.
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

HERE = "127.0.0.1"
ERROR_KEY = "mistake"


def launch(work: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Call `work(*arguments)`, a function of a module, in so many processes; with one, right here.

    Raises:
        StageError: a process died; the others are ended.
        TandemError: what `work` raised.
    """
    if processes == 1:
        work(*arguments)
        return
    # the parent keeps the store, on a port that the system picks: no process waits for another's
    store = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    given = (processes, store.port, work, arguments, listener())
    try:
        start_processes(_join, given, nprocs=processes, start_method="spawn")  # type: ignore[no-untyped-call]
    except (ProcessExitedException, ProcessRaisedException) as error:
        if store.check([ERROR_KEY]):
            raise TandemError(store.get(ERROR_KEY).decode()) from None
        last = str(error).strip().splitlines()[-1]
        raise StageError(
            f"process {error.error_index + 1} of {processes} died and the others were ended: "
            f"{last}. Give it memory, or set runtime.processes to 1 to see more"
        ) from error


def is_main_process() -> bool:
    """Whether this process is the one that writes; asked after `fit`."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _join(
    rank: int,
    processes: int,
    port: int,
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    shown: Listener | None,
) -> None:
    """Be the process `rank` of `processes`; the first one's progress is `shown`."""
    listen(shown if rank == 0 else None)
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        MASTER_ADDR=HERE,
        MASTER_PORT=str(port),
        # torch's names for "the store is kept by whoever started us"
        TORCHELASTIC_USE_AGENT_STORE="True",
        TORCHELASTIC_RESTART_COUNT="0",
    )
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # a host's own name may lead nowhere
    try:
        work(*arguments)
    except TandemError as error:
        TCPStore(HERE, port).set(ERROR_KEY, str(error))
        raise SystemExit(2) from None
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
