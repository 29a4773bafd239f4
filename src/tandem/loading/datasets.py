"""Load datasets in the form of the Hugging Face hub, by the library `datasets`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core import io
from tandem.core.errors import DataError
from tandem.loading import folders

CARD = "README.md"


def load(path: str, name: str | None, split: str, revision: str | None) -> Any:
    """The table of one split of a dataset, on the hub or in a local folder.

    `datasets` runs no script and reads no pickle that a dataset brings.

    Raises:
        DataError: a local folder names files out of it.
        Exception: what `datasets` raises; its errors share no base.
    """
    import datasets

    datasets.disable_progress_bars()
    if Path(path).is_dir():
        folders.at(Path(path)).check_files()
        _check_card(Path(path))
    return datasets.load_dataset(path, name, split=split, revision=revision)


def _check_card(folder: Path) -> None:
    """Check that the data files that the folder's card names are in the folder."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    if not front:
        return
    try:
        content = io.parse_yaml(front[1])
    except YAMLError as error:
        raise DataError(f"{card} has no YAML in front: {' '.join(str(error).split())}") from None
    configs = content.get("configs") if isinstance(content, dict) else None
    for pattern in _texts(configs):
        if "://" in pattern or "::" in pattern or io.why_outside(pattern.removesuffix("/")):
            raise DataError(f"{card}: configs names {pattern!r}, which is not in the folder")


def _texts(value: Any) -> Iterator[str]:
    """Every text in `value`, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
