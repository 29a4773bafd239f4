"""Load datasets in Hugging Face Hub layout with the `datasets` library."""

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
    """Load one split of a dataset on the hub or in a local folder, as a `datasets.Dataset`.

    `datasets` neither runs a dataset's scripts nor reads its pickles.

    Args:
        path: Name of the dataset on the hub, or a local folder.
        name: Name of the configuration.
        split: Name of the split.
        revision: A commit of the dataset on the hub.

    Raises:
        DataError: a local folder refers to files outside of the folder.
        Exception: any error that `datasets` raises; its errors have no common base class.
    """
    import datasets

    datasets.disable_progress_bars()
    if Path(path).is_dir():
        folders.open_folder(Path(path)).check_files()
        _check_card(Path(path))
    return datasets.load_dataset(path, name, split=split, revision=revision)


def _check_card(folder: Path) -> None:
    """Check that all data files named in the dataset card of `folder` are in `folder`."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    front_matter = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    if not front_matter:
        return
    try:
        content = io.parse_yaml(front_matter[1])
    except YAMLError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{card}: the front matter is not YAML ({reason})") from None
    configs = content.get("configs") if isinstance(content, dict) else None
    for pattern in _strings(configs):
        if "://" in pattern or "::" in pattern or io.why_outside(pattern.removesuffix("/")):
            raise DataError(f"{card}: `configs` refers to {pattern!r}, which is outside the folder")


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in `value`, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
