"""Patches for third-party code, one module per patched package. All patches are optional.

A patch is applied only to the versions that it was tested with. Any other version is not patched:
its results are correct, but it is slower. The exception is `mkl`: without this patch, results
depend on the code path that MKL chooses for the CPU, and the record of a run says so.
"""

from collections.abc import Collection
from importlib import metadata


def applies(package: str, tested_versions: Collection[str]) -> bool:
    """Whether the installed version of `package` is one that a patch was tested with.

    Local version labels are ignored: version 2.13.0+cpu counts as 2.13.0.
    """
    return installed_version(package) in tested_versions


def installed_version(package: str) -> str:
    """The installed version of `package` without its local label; empty if it is not installed."""
    try:
        return metadata.version(package).partition("+")[0]
    except metadata.PackageNotFoundError:
        return ""
