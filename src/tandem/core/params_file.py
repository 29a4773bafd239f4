"""Change params.yaml in place; comments and layout are kept."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from tandem.core import params, paths
from tandem.core.io import write_text, writing
from tandem.core.params_check import check


def overlay(top: Path, base: Path) -> list[str]:
    """Merge the values of `top` into those of `base`, and write `base`, comments kept.

    Returns:
        The keys of the values that were merged, as `sentiment.train.steps`.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    values = params.read(top)
    lay(values, base)
    return list(_keys(values))


def _keys(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """The dotted keys of all values that are not mappings with keys of their own."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def lay(values: dict[str, Any], base: Path = paths.PARAMS) -> None:
    """Lay `values` over those of `base`, and write `base`, comments and layout kept.

    Raises:
        ParamsError: the result is not valid; `base` stays as it was.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.preserve_quotes = True
    yaml.Representer = _Representer
    params.read(base)
    below = yaml.load(base.read_text(encoding="utf-8"))
    merge(values, below)
    check(below)
    text = StringIO()
    yaml.dump(below, text)
    with writing(base) as (partial,):
        write_text(partial, text.getvalue())


class _Representer(RoundTripRepresenter):
    """Writes None as `null`; ruamel's own leaves its place empty."""

    def represent_none(self, _: None) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def merge(top: dict[str, Any], below: Any) -> None:
    """Lay the values of `top` over those of `below`, in place.

    A mapping with another `kind` is another plug-in's, and takes the whole place of the old one.
    """
    for key, value in top.items():
        old = below.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and not _another_kind(value, old):
            merge(value, old)
        else:
            below[key] = value


def _another_kind(top: dict[str, Any], below: Any) -> bool:
    return "kind" in top and "kind" in below and top["kind"] != below["kind"]
