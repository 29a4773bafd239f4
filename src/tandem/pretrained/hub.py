"""Weights of a model on the Hugging Face Hub at a pinned revision, without the model's code."""

from pathlib import Path

from tandem.core.errors import SourceError
from tandem.core.params import Runtime
from tandem.loading import folders
from tandem.pretrained import WeightsParams
from tandem.pretrained.common import model_files


class Params(WeightsParams):
    """The model and its commit."""

    path: str
    """Name of the model on the Hugging Face Hub."""
    revision: str
    """Commit of the model."""
    license: str = "unknown"
    """License of the weights, as a license identifier of the Hugging Face Hub."""


def write(params: Params, folder: Path, runtime: Runtime) -> None:
    """Copy the weights, configs and tokenizer to `folder`, from the hub or its local cache.

    Raises:
        SourceError: the hub cannot be reached or has no such model or revision.
        DataError: config.json or the safetensors weights are missing, or the model is damaged or
            malicious.
    """
    import huggingface_hub

    try:
        snapshot = Path(
            huggingface_hub.snapshot_download(
                params.path,
                revision=params.revision,
                allow_patterns=list(model_files.ALLOWED_FILES),
            )
        )
    except Exception as error:
        # HTTP, validation and file errors from several libraries have no common base class.
        reason = " ".join(str(error).split())
        raise SourceError(f"cannot fetch the model {params.path}: {reason:.300}") from None
    folders.open_folder(snapshot).check_files()
    model_files.copy_folder(snapshot, folder, params.path)


def pins(params: Params) -> dict[str, str]:
    """Return the name of the model, its commit, and its license."""
    return model_files.folder_pins(params.path, params.license, revision=params.revision)
