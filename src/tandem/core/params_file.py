"""Change params.yaml in place; comments and layout are kept.

`dvc exp run -S` also changes the file, with DVC's writer. The writer here has the same settings, so
both write the same bytes. CONTRIBUTING.md describes the form of the file that they keep.
"""

import copy
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tandem.core import params, paths
from tandem.core.io import atomic_outputs, write_text
from tandem.core.params_check import SectionReader, check


def overlay(top: Path, base: Path, sections_of: SectionReader) -> list[str]:
    """Merge the values of `top` into those of `base`, and write `base`, comments kept.

    Returns:
        The keys of the values that were merged, as `sentiment.train.max_steps`.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    values = params.read(top)
    update_file(values, sections_of, base)
    return list(_keys(values))


def _keys(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """The dotted keys of all values that are not mappings with keys of their own."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def update_file(
    values: dict[str, Any], sections_of: SectionReader, base: Path = paths.PARAMS
) -> None:
    """Lay `values` over those of `base`, and write `base`, comments and layout kept.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    yaml = YAML()  # ruamel's defaults, as in dvc.utils.serialize
    params.read(base)
    below = yaml.load(base.read_text(encoding="utf-8"))
    deep_merge(values, below)
    check(below, sections_of)
    text = StringIO()
    yaml.dump(below, text)
    with atomic_outputs(base) as (partial,):
        write_text(partial, text.getvalue())


def deep_merge(top: dict[str, Any], below: Any) -> None:
    """Lay the values of `top` over those of `below`, in place.

    A mapping with another `kind` is another plug-in's, and takes the whole place of the old one.
    """
    for key, value in top.items():
        old = below.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _another_kind(value, old):
            deep_merge(value, old)
        else:
            below[key] = copy.deepcopy(value)


def _another_kind(top: dict[str, Any], below: Any) -> bool:
    return "kind" in top and "kind" in below and top["kind"] != below["kind"]
