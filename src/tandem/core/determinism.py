"""Pin the settings that determine results bit for bit: threads, instruction set and seeds.

`modeling.seeding` pins torch. Measurements with torch 2.13.0 show that one and two threads do not
give bit-identical results, so the number of threads is a param and does not depend on the machine.
AVX2 and AVX-512 do not give bit-identical results either; pinning AVX2 does not slow down fp32
computations. Each of these environment variables pins the instruction set of a library:

    ATEN_CPU_CAPABILITY         torch's own kernels: softmax, attention, losses
    ONEDNN_MAX_CPU_ISA          oneDNN: GELU, bf16 matrix products
    MKL_CBWR                    MKL: matrix products (STRICT: also small ones), exp, log
    OPENBLAS_CORETYPE           OpenBLAS of numpy and scipy, used by scikit-learn's linear models
    NPY_DISABLE_CPU_FEATURES    numpy's own loops

MKL's results also depend on the CPU vendor, which no environment variable can override:
see `tandem.patches.mkl`.
"""

import hashlib
import os
import random

from tandem.core.params import Runtime
from tandem.patches import mkl

ISA: dict[str, dict[str, str]] = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_CBWR": "AVX2,STRICT",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "MKL_CBWR": "AVX512,STRICT",
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NPY_DISABLE_CPU_FEATURES": "AVX512_ICL AVX512_SPR",
    },
    "default": {},
}


def environment(runtime: Runtime) -> dict[str, str]:
    """The environment variables to set before numpy or torch is first imported."""
    threads = str(runtime.threads)
    return {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "RAYON_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    } | ISA[runtime.isa]


def pins(runtime: Runtime, dispatch: str = mkl.CANONICAL) -> dict[str, str]:
    """The pinned settings that a run records: environment variables and MKL's CPU dispatch.

    If `isa` is `default`, MKL's CPU dispatch is not pinned and not recorded.
    """
    return environment(runtime) | ({"MKL_DISPATCH": dispatch} if ISA[runtime.isa] else {})


def pin_environment(runtime: Runtime) -> None:
    """Pin the number of threads and the instruction set of this process.

    This function must be called before numpy or torch is imported.
    """
    os.environ.update(environment(runtime))


def generator(runtime: Runtime, *names: str) -> random.Random:
    """A random number generator for the purpose that `names` identifies.

    The generator is independent of the generators for all other purposes.

    >>> runtime = Runtime(seed=1, threads=1, isa="avx2", device="cpu")
    >>> generator(runtime, "split").random() == generator(runtime, "augment").random()
    False
    """
    return random.Random(derived_seed(runtime.seed, *names))


def derived_seed(seed: int, *names: str) -> int:
    """A 32-bit seed that depends only on `seed` and `names`."""
    return int.from_bytes(hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()[:4])
