"""Which files of a model's folder are taken: JSON, text and safetensors, never code or pickles."""

import json
import shutil
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from tandem.core import io
from tandem.core.errors import DataError

TAKEN = (
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


def take(names: Iterable[str], opened: Callable[[str], BinaryIO], folder: Path, where: str) -> None:
    """Copy what is taken of `names`, each read with `opened`, into `folder`.

    Raises:
        DataError: there is no config.json or no safetensors among them.
    """
    wanted = sorted(name for name in names if any(fnmatch(name, kind) for kind in TAKEN))
    if "config.json" not in wanted or not any(name.endswith(".safetensors") for name in wanted):
        raise DataError(f"{where} holds no config.json with safetensors: nothing else is read")
    for name in wanted:
        with opened(name) as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)
    clean(folder)


def clean(folder: Path) -> None:
    """Take out of the folder's JSON what names a machine or asks for code."""
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        path = folder / name
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            io.write_json(path, {k: v for k, v in kept.items() if k not in UNWANTED})


def folder_pins(path: str, licence: str, **more: str | None) -> dict[str, Any]:
    """The pins of weights that lie in a folder."""
    return {"path": path, **{k: v for k, v in more.items() if v}, "licence": licence}
