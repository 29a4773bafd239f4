"""Weights in a local folder in Hugging Face format."""

from pathlib import Path

from pydantic import Field

from tandem.core.errors import SourceError
from tandem.core.params import Runtime
from tandem.downloads.pypi import hash_mismatch, sha256
from tandem.loading import folders
from tandem.pretrained import WeightsParams
from tandem.pretrained.common import model_files


class Params(WeightsParams):
    """The folder, relative to the project's root, and the hash of its weights.

    DVC detects a change to the weights only if the hash in params.yaml changes, too.
    """

    path: str
    """Path of the folder, relative to the project's root."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of model.safetensors."""
    license: str = "unknown"
    """License of the weights, as a license identifier of the Hugging Face Hub."""


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Copy the weights, configs and tokenizer to `folder`.

    Raises:
        SourceError: `params.path` is not a folder.
        HashMismatch: the weights are not the pinned ones.
        DataError: config.json or the safetensors weights are missing, or the folder is damaged or
            malicious.
    """
    source = Path(params.path)
    if not source.is_dir():
        raise SourceError(f"{source} is not a folder; paths are relative to the project's root")
    folders.open_folder(source).check_files()
    weights = source / folders.WEIGHTS
    if params.sha256 and weights.exists() and (digest := sha256(weights)) != params.sha256:
        raise hash_mismatch(str(weights), params.sha256, digest)
    model_files.copy_folder(source, folder, str(source))


def pins(params: Params) -> dict[str, str]:
    """Return the path of the folder, the license, and the hash of the weights if it is pinned."""
    return model_files.folder_pins(params.path, params.license, sha256=params.sha256)
