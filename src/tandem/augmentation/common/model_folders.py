"""The models that operations ask: what a folder holds, by its config.json."""

from pathlib import Path

from tandem.augmentation import AugmentationContext
from tandem.core import io, paths
from tandem.core.errors import ParamsError
from tandem.loading import folders
from tandem.modeling.seeding import make_torch_deterministic


def resolve_model_folder(given: AugmentationContext, key: str, *endings: str) -> tuple[Path, str]:
    """The folder under `key` of `augmenting.TASK`, and which of `endings` its architecture has.

    Pins the bits too, so that whatever is read from the folder next repeats.

    Raises:
        StageError: the folder is missing.
        ParamsError: the model in it is of another kind.
    """
    folder = Path(getattr(given.models, key))
    io.require_exists(folder / folders.CONFIG)
    config = folders.open_folder(folder).read(folders.CONFIG)
    architecture = str((config.get("architectures") or ["none"])[0])
    make_torch_deterministic(given.runtime)
    for ending in endings:
        if architecture.endswith(ending):
            return folder, ending
    at = f"{paths.PARAMS}: augmenting.{given.task.name}.{key}"
    wanted = " or ".join(f"…{ending}" for ending in endings)
    raise ParamsError(f"{at}: {folder} is a {architecture}; what asks it needs a {wanted}")
