"""What pins the bits of torch, apart from `core` so that data stages do not depend on it."""

import random

import numpy as np
import torch

from tandem.core import determinism
from tandem.core.params import Runtime
from tandem.patches import mkl


def make_torch_deterministic(runtime: Runtime) -> None:
    """Seed and pin everything that a model stage uses; call before the first weight is made."""
    if determinism.ISA[runtime.isa]:
        mkl.pin_dispatch()  # before the first computation
    torch.set_num_threads(runtime.threads)
    # what use_deterministic_algorithms(True) does, without importing torch's compiler: a second
    torch.set_deterministic_debug_mode("error")
    # a guard for kernels that read what they never wrote; a tenth of the time of int8 inference
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    random.seed(runtime.seed)
    np.random.seed(runtime.seed)
    torch.manual_seed(runtime.seed)
