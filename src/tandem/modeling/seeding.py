"""Make torch deterministic; separate from `core`, so that data stages do not import torch."""

import random

import numpy as np
import torch

from tandem.core import determinism
from tandem.core.params import Runtime
from tandem.patches import mkl


def make_torch_deterministic(runtime: Runtime) -> None:
    """Seed all random number generators, and set the thread count and kernels from `runtime`.

    Call it before the first weight is initialized.
    """
    if determinism.ISA[runtime.isa]:
        mkl.pin_dispatch()  # has no effect after MKL's first computation
    torch.set_num_threads(runtime.threads)
    # like use_deterministic_algorithms(True), which spends 1 s importing torch's compiler
    torch.set_deterministic_debug_mode("error")
    # only needed for kernels that read uninitialized memory; slows int8 inference by 10 %
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    random.seed(runtime.seed)
    np.random.seed(runtime.seed)
    torch.manual_seed(runtime.seed)
