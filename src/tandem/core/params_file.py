"""Change params.yaml in place, keeping comments and layout.

`dvc exp run -S` also changes the file, using DVC's YAML writer. This module's YAML writer has the
same settings, so both writers produce the same bytes. CONTRIBUTING.md describes the formatting that
both writers keep.
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
    """Merge the params file `top` into the file `base`, whose comments and layout are kept.

    Returns:
        The keys of the values that were merged, such as `sentiment.train.max_steps`.

    Raises:
        ParamsError: the result is not valid; `base` is not changed.
    """
    values = params.read(top)
    update_file(values, sections_of, base)
    return list(_keys(values))


def _keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted keys of all leaf values; an empty mapping counts as a leaf."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def update_file(
    values: dict[str, Any], sections_of: SectionReader, base: Path = paths.PARAMS
) -> None:
    """Merge `values` into the params file `base`, whose comments and layout are kept.

    Args:
        values: Nested mappings, as in params.yaml.
        sections_of: Returns the sections that the tasks need; see `params_check.check`.
        base: The file to change.

    Raises:
        ParamsError: the result is not valid; `base` is not changed.
    """
    # `YAML()` has ruamel.yaml's default settings, as DVC's writer does. `params.read` is called
    # only because it reports a missing or invalid file.
    yaml = YAML()
    params.read(base)
    content = yaml.load(base.read_text(encoding="utf-8"))
    deep_merge(values, content)
    check(content, sections_of)
    text = StringIO()
    yaml.dump(content, text)
    with atomic_outputs(base) as (partial,):
        write_text(partial, text.getvalue())


def deep_merge(values: dict[str, Any], base: Any) -> None:
    """Merge `values` into `base` in place; nested mappings are merged key by key.

    A mapping with a different `kind` belongs to another plug-in and replaces the old mapping as a
    whole.
    """
    for key, value in values.items():
        old = base.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _other_kind(value, old):
            deep_merge(value, old)
        else:
            base[key] = copy.deepcopy(value)


def _other_kind(new: dict[str, Any], old: Any) -> bool:
    """Whether two mappings are the params of different plug-ins."""
    return "kind" in new and "kind" in old and new["kind"] != old["kind"]
