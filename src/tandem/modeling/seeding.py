"""Make torch deterministic.

This module is not in `core`, so that data stages do not import torch.
"""

import random

import numpy as np
import torch

from tandem.core import determinism
from tandem.core.params import Runtime
from tandem.patches import mkl


def make_torch_deterministic(runtime: Runtime) -> None:
    """Seed all random number generators; set the thread count and select deterministic kernels.

    Call this function before the first weight is initialized.
    """
    if determinism.ISA[runtime.isa]:
        # `pin_dispatch` has an effect only if it is called before MKL's first computation.
        mkl.pin_dispatch()
    torch.set_num_threads(runtime.threads)
    # set_deterministic_debug_mode has the same effect as use_deterministic_algorithms(True), but
    # does not import torch's compiler; that import takes 1 s
    torch.set_deterministic_debug_mode("error")
    # filling uninitialized memory is only needed for kernels that read it, and slows int8 inference
    # by 10 %
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    random.seed(runtime.seed)
    np.random.seed(runtime.seed)
    torch.manual_seed(runtime.seed)
