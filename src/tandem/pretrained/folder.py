"""Weights in a local folder in Hugging Face form; the path starts at the project's root."""

from pathlib import Path

from pydantic import Field

from tandem.core.errors import SourceError
from tandem.core.params import Runtime
from tandem.downloads.pypi import hash_mismatch, sha256
from tandem.loading import folders
from tandem.pretrained import WeightsParams
from tandem.pretrained.common import model_files


class Params(WeightsParams):
    """Which folder; the pin makes DVC fetch again when the weights change."""

    path: str
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="of model.safetensors"
    )
    license: str = "unknown"


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Fill `folder`.

    Raises:
        SourceError: there is no such folder.
        HashMismatch: the weights are not the pinned ones.
        DataError: it holds no config.json or no safetensors, or is damaged or hostile.
    """
    place = Path(params.path)
    if not place.is_dir():
        raise SourceError(f"{place} is no folder; paths start at the project's root")
    folders.at(place).check_files()
    weights = place / folders.WEIGHTS
    if params.sha256 and weights.exists() and (found := sha256(weights)) != params.sha256:
        raise hash_mismatch(str(weights), params.sha256, found)
    names = [file.name for file in place.iterdir() if file.is_file()]
    model_files.copy_model_files(names, lambda name: (place / name).open("rb"), folder, str(place))


def pins(params: Params) -> dict[str, str]:
    """The folder, and its pin if it has one."""
    return model_files.folder_pins(params.path, params.license, sha256=params.sha256)
