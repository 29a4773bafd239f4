"""Find a model folder for an augmentation, and check the architecture in its config.json."""

from pathlib import Path

from tandem.augmentation import AugmentationContext
from tandem.core import io, paths
from tandem.core.errors import ParamsError
from tandem.loading import folders
from tandem.modeling.seeding import make_torch_deterministic


def resolve_model_folder(
    context: AugmentationContext, key: str, *suffixes: str
) -> tuple[Path, str]:
    """Return the path of a model folder, and which of `suffixes` its architecture ends with.

    Torch is made deterministic, so that the output of a model loaded from the folder is
    reproducible.

    Args:
        context: Names the model folders of the task.
        key: Which of these folders: `forward` or `backward`.
        suffixes: Suffixes of the supported architectures, such as `ForCausalLM`.

    Raises:
        StageError: the folder is missing.
        ParamsError: the model has an unsupported architecture.
    """
    folder = Path(getattr(context.models, key))
    io.require_exists(folder / folders.CONFIG)
    config = folders.open_folder(folder).read(folders.CONFIG)
    architecture = str((config.get("architectures") or ["none"])[0])
    make_torch_deterministic(context.runtime)
    for suffix in suffixes:
        if architecture.endswith(suffix):
            return folder, suffix
    supported = " or ".join(suffixes)
    raise ParamsError(
        f"{paths.PARAMS}: the {key} model of {context.task.name}, {folder}, has the architecture "
        f"{architecture}; the augmentation needs one whose name ends with {supported}"
    )
