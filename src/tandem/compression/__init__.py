"""Methods that make a trained model smaller or faster: one file each, found by name.

A method's module defines what `Method` lists, and `restore` if `from_pretrained` of transformers
cannot read the folder. Such a folder has a file tandem.json, which names the method. The module
imports no torch: `compress` and `restore` import what they need, so that params are checked fast.

To add a method, add such a file, its name to `methods` in params.yaml, and its section to each
task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from tandem.core import registry
from tandem.core.params import Runtime
from tandem.core.rows import Row
from tandem.core.schema import StrictModel

if TYPE_CHECKING:
    from tandem.modeling.base import TextModel


@dataclass(frozen=True)
class CompressionContext:
    """What a method works with. A method may change `model`."""

    model: TextModel
    rows: Sequence[Row]
    """Training rows, derived ones included."""
    validation: Sequence[Row]
    runtime: Runtime
    folder: Path
    """Where the compressed model is written; an empty folder."""


class Method(Protocol):
    """What a module in this folder defines."""

    LABEL: str
    """The name of the method in reports."""
    Params: type[StrictModel]
    """The params of the method: the section of a task that has its name."""

    def compress(self, context: CompressionContext, params: Any) -> None:
        """Write the compressed model into `context.folder`."""


class Restorable(Method, Protocol):
    """A method whose folders `from_pretrained` cannot read."""

    def restore(self, folder: Path, auto: Any) -> Any:
        """Load the network in `folder`, built by the class `auto` of transformers."""


def load(name: str) -> Method:
    """Return the method of this name.

    Raises:
        UnknownName: there is no such method.
    """
    return cast(Method, registry.load("compression", name))
