"""Which of its code MKL runs: set by the project, and not by the vendor of the CPU.

torch's matrix products, vector functions (exp, log, erf, sqrt) and LAPACK are MKL's. On the same
instruction set MKL runs other code on an AMD CPU than on an Intel one, with other bits, and
`MKL_CBWR`, which is there to fix the code, acts only where MKL believes that the CPU is Intel's.
Three functions of MKL give the vendor. `set_dispatch` makes them return constants, in the memory
of this process; MKL's files stay as they are. docs/decisions/0007 says why, with figures.

    MKL asks                    "intel"   "zen"
    mkl_serv_intel_cpu_true           1       0
    mkl_serv_intel_cpu                1       0
    mkl_serv_cpuiszen                 0       1

MKL asks once and remembers, so this comes before the first computation of torch in a process.
"""

import ctypes
import mmap
import platform
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Dispatch = Literal["intel", "zen"]

CANONICAL: Dispatch = "intel"
"""The dispatch that gives the recorded bits."""
TESTED = {"2.13.0": "2024.2"}
"""Versions of torch, with their MKL, in which the functions are known to be what they seem."""
ANSWERS: dict[Dispatch, dict[str, int]] = {
    "intel": {"mkl_serv_intel_cpu_true": 1, "mkl_serv_intel_cpu": 1, "mkl_serv_cpuiszen": 0},
    "zen": {"mkl_serv_intel_cpu_true": 0, "mkl_serv_intel_cpu": 0, "mkl_serv_cpuiszen": 1},
}


OWN = "the CPU's own"
"""What a run records whose dispatch could not be set."""

_refused: list[str] = []
"""Why this process could not set the dispatch, if it tried and could not."""


class DispatchError(Exception):
    """Why the dispatch cannot be set here."""


def pin_dispatch() -> None:
    """Set the canonical dispatch; where that cannot be, warn once and go on with the CPU's own."""
    try:
        set_dispatch()
    except DispatchError as error:
        if not _refused:
            print(
                f"tandem: MKL's code is the CPU's own, and so may bits be: {error}", file=sys.stderr
            )
        _refused.append(str(error))


def in_force() -> str:
    """The dispatch that torch has, or would get, in this process."""
    return OWN if _refused or unavailable() else CANONICAL


def set_dispatch(dispatch: Dispatch = CANONICAL) -> None:
    """Have MKL inside torch choose its code as on a CPU of that kind.

    Raises:
        DispatchError: it cannot be set here, or is not known to work with this torch.
    """
    reason = unavailable()
    if reason:
        raise DispatchError(reason)
    try:
        library = ctypes.CDLL(str(_library()))
        for name, answer in ANSWERS[dispatch].items():
            _return_constant(getattr(library, name), answer)
    except (AttributeError, OSError) as error:
        raise DispatchError(str(error)) from error


@cache
def unavailable() -> str:
    """Why the dispatch cannot be set here, or nothing; torch is not imported."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"this is {platform.system()} on {platform.machine()}, not Linux on x86-64"
    try:
        version = metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        return "torch is not installed"
    if version not in TESTED:
        return f"torch is {version}, tested was {', '.join(TESTED)}"
    return "" if _library().is_file() else "torch has no libtorch_cpu.so"


def _library() -> Path:
    spec = find_spec("torch")
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0] if folders else "", "lib", "libtorch_cpu.so")


def _return_constant(function: "ctypes._NamedFuncPointer", value: int) -> None:
    """Overwrite the start of `function` with `mov eax, value; ret`."""
    code = b"\xb8" + value.to_bytes(4, "little") + b"\xc3"
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    if ctypes.string_at(address, len(code)) == code:
        return
    first = address - address % mmap.PAGESIZE
    size = address + len(code) - first
    _protect(first, size, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    ctypes.memmove(address, code, len(code))
    _protect(first, size, mmap.PROT_READ | mmap.PROT_EXEC)


def _protect(address: int, size: int, protection: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), protection):
        raise OSError(ctypes.get_errno(), "mprotect is refused")
