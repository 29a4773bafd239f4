"""Which files of a model's folder are taken: JSON, text and safetensors, never code or pickles."""

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
# What a writer's machine leaves in JSON, and what would ask for code from a hub.
UNWANTED = ("_name_or_path", "name_or_path", "auto_map", "custom_pipelines")


def copy_model_files(
    names: Iterable[str], opened: Callable[[str], BinaryIO], folder: Path, where: str
) -> None:
    """Copy what is taken of `names`, each read with `opened`, into `folder`, and check it.

    Only files right in the place are taken, none of a folder below it.

    Raises:
        DataError: there is no config.json or no safetensors among them, or one breaks a rule of
            `tandem.loading.folders`.
    """
    known = [name for name in names if "/" not in name]
    if folders.ADAPTER in known:
        raise folders.adapter(where)
    wanted = sorted(name for name in known if any(fnmatch(name, kind) for kind in ALLOWED_FILES))
    if folders.CONFIG not in wanted:
        raise DataError(f"{where} holds no config.json with safetensors: nothing else is read")
    if not any(name.endswith(".safetensors") for name in wanted):
        raise folders.no_weights(where, iter(known))
    for name in wanted:
        with opened(name) as source:
            io.copy_into(folder, name, source)
    sanitize_configs(folder, where)
    taken = folders.ModelFolder(folder, where)
    taken.check()
    taken.check_weights()
    if folders.TOKENIZER in wanted:
        taken.check_vocabulary()


def sanitize_configs(folder: Path, where: str = "") -> None:
    """Take out of the folder's JSON what names a machine or asks for code.

    Raises:
        DataError: a file of it is not a JSON object; the line says that it is in `where`.
    """
    read = folders.ModelFolder(folder, where or str(folder)).read
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            io.write_json(path, {k: v for k, v in read(name).items() if k not in UNWANTED})


def folder_pins(path: str, terms: str, **more: str | None) -> dict[str, Any]:
    """The pins of weights that lie in a folder."""
    return {"path": path, **{k: v for k, v in more.items() if v}, "license": terms}
