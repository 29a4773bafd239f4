"""Weights of a model on the Hugging Face hub, at a revision. No code of the model's is taken."""

from pathlib import Path

from tandem.core.errors import SourceError
from tandem.core.params import Runtime
from tandem.loading import folders
from tandem.pretrained import WeightsParams
from tandem.pretrained.common import model_files


class Params(WeightsParams):
    """Which model, at which commit."""

    path: str
    revision: str
    license: str = "unknown"


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Fill `folder` from the hub, or from its cache on this machine.

    Raises:
        SourceError: the hub cannot be reached or has no such model or revision.
        DataError: the model has no config.json or no safetensors, or is damaged or hostile.
    """
    import huggingface_hub

    try:
        place = Path(
            huggingface_hub.snapshot_download(
                params.path,
                revision=params.revision,
                allow_patterns=list(model_files.ALLOWED_FILES),
            )
        )
    except Exception as error:
        # HTTP, validation and file errors of several libraries share no base below Exception.
        reason = " ".join(str(error).split())
        raise SourceError(f"cannot fetch the model {params.path}: {reason:.300}") from None
    folders.at(place).check_files()
    names = [file.name for file in place.iterdir() if file.is_file()]
    model_files.copy_model_files(names, lambda name: (place / name).open("rb"), folder, params.path)


def pins(params: Params) -> dict[str, str]:
    """The model and its commit."""
    return model_files.folder_pins(params.path, params.license, revision=params.revision)
