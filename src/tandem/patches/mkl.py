"""Set the MKL code path that torch uses, independently of the CPU vendor.

MKL provides torch's matrix products, vector functions (exp, log, erf, sqrt) and LAPACK. Even with
the same instruction set, MKL runs different code on AMD and Intel CPUs, so the results are not
bit-identical. `MKL_CBWR`, which is meant to pin the code path, works only where MKL detects an
Intel CPU. Three functions of MKL report the vendor. `set_dispatch` makes these functions return
constants in the current process; MKL's files are not changed. docs/decisions/0007 gives the reasons
and the measurements.

    function                     "intel"   "zen"
    mkl_serv_intel_cpu_true            1       0
    mkl_serv_intel_cpu                 1       0
    mkl_serv_cpuiszen                  0       1

MKL calls these functions once and keeps the results, so the dispatch (the choice of a code
path) has to be set before torch's first computation in a process.
"""

import ctypes
import mmap
import platform
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tandem.patches import applies, installed_version

Dispatch = Literal["intel", "zen"]

CANONICAL: Dispatch = "intel"
"""The dispatch of MKL that reproduces the recorded results bit for bit."""
TESTED = {"torch": ("2.13.0",)}
"""Versions of torch that the patch was tested with; torch 2.13.0 contains MKL 2024.2."""
ANSWERS: dict[Dispatch, dict[str, int]] = {
    "intel": {"mkl_serv_intel_cpu_true": 1, "mkl_serv_intel_cpu": 1, "mkl_serv_cpuiszen": 0},
    "zen": {"mkl_serv_intel_cpu_true": 0, "mkl_serv_intel_cpu": 0, "mkl_serv_cpuiszen": 1},
}
"""Dispatch → the constant that each of the three MKL functions returns."""
UNPATCHED = "the CPU's own"
"""The dispatch that is recorded for a run if the canonical dispatch could not be set."""

_failures: list[str] = []
"""The reason for each failed attempt to set the dispatch in this process."""


class DispatchError(Exception):
    """The dispatch cannot be set in this process; the message says why."""


def pin_dispatch() -> None:
    """Set the canonical dispatch. If that is not possible, warn once and use MKL's own choice."""
    try:
        set_dispatch()
    except DispatchError as error:
        if not _failures:
            print(
                f"tandem: cannot set MKL's code path, so results may differ between CPUs: {error}",
                file=sys.stderr,
            )
        _failures.append(str(error))


def current_dispatch() -> str:
    """The dispatch that torch uses in this process, or would use if it were imported."""
    return UNPATCHED if _failures or unavailable() else CANONICAL


def set_dispatch(dispatch: Dispatch = CANONICAL) -> None:
    """Make torch's copy of MKL run its code for Intel or AMD Zen CPUs, depending on `dispatch`.

    Raises:
        DispatchError: the dispatch cannot be set, or this module was not tested with the installed
            version of torch.
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
    """Why the dispatch cannot be set on this machine; empty if it can.

    This function does not import torch.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"this is {platform.system()} on {platform.machine()}, not Linux on x86-64"
    if not installed_version("torch"):
        return "torch is not installed"
    if not applies("torch", TESTED["torch"]):
        tested = ", ".join(TESTED["torch"])
        return f"it was tested with torch {tested}, but {installed_version('torch')} is installed"
    return "" if _library().is_file() else "torch has no libtorch_cpu.so"


def _library() -> Path:
    """The shared library of torch that contains MKL."""
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
    """Set the protection of memory pages (mprotect(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), protection):
        raise OSError(ctypes.get_errno(), "mprotect was refused")
