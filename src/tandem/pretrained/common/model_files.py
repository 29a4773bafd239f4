"""Copy the configs, tokenizer and safetensors of a model folder, but neither code nor pickles."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from tandem.core import io
from tandem.core.errors import DataError
from tandem.loading import folders

ALLOWED_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.spm",
    "*.model",
)
# Keys whose values in a config are paths on the machine of the model's author, or refer to code on
# a hub.
REMOVED_KEYS = ("_name_or_path", "name_or_path", "auto_map", "custom_pipelines")


def copy_model_files(
    names: Iterable[str], open_file: Callable[[str], BinaryIO], folder: Path, where: str
) -> None:
    """Copy the allowed files among `names` to `folder`, and check the result.

    Args:
        names: Paths in the source folder or package; files in subfolders are not copied.
        open_file: A function that opens the file with a given name in the source.
        folder: An existing folder.
        where: How error messages refer to the source.

    Raises:
        DataError: config.json or the safetensors weights are missing, or a file breaks a rule
            of `tandem.loading.folders`.
    """
    names = [name for name in names if "/" not in name]
    if folders.ADAPTER in names:
        raise folders.adapter_error(where)
    allowed = sorted(name for name in names if any(fnmatch(name, p) for p in ALLOWED_FILES))
    if folders.CONFIG not in allowed:
        raise DataError(f"{where} contains no config.json, which is required to load the weights")
    if not any(name.endswith(".safetensors") for name in allowed):
        raise folders.no_weights_error(where, names)
    for name in allowed:
        with open_file(name) as source:
            io.copy_into(folder, name, source)
    # Before `check`, remove the keys that it would reject.
    sanitize_configs(folder, where)
    copied = folders.ModelFolder(folder, where)
    copied.check()
    copied.check_weights()
    if folders.TOKENIZER in allowed:
        copied.check_vocabulary()


def copy_folder(source: Path, folder: Path, where: str) -> None:
    """Copy the allowed files of a local folder; see `copy_model_files`."""
    names = [file.name for file in source.iterdir() if file.is_file()]
    copy_model_files(names, lambda name: (source / name).open("rb"), folder, where)


def sanitize_configs(folder: Path, where: str = "") -> None:
    """Remove the keys in REMOVED_KEYS from the configs in `folder`.

    Args:
        folder: The model folder.
        where: How error messages refer to the folder; if empty, they use its path.

    Raises:
        DataError: a config is not a JSON object.
    """
    read = folders.ModelFolder(folder, where or str(folder)).read
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            io.write_json(path, {k: v for k, v in read(name).items() if k not in REMOVED_KEYS})


def folder_pins(path: str, license_id: str, **pins: str | None) -> dict[str, Any]:
    """Return the identifiers of weights in a folder; those that are None are left out."""
    return {"path": path, **{k: v for k, v in pins.items() if v}, "license": license_id}
