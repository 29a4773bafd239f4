"""Methods that make a trained model smaller or faster, each in a module named after it.

The module of a method implements the interface `Method`. If the method writes a folder that
transformers' `from_pretrained` cannot read, the module also defines `restore`, and the folder
contains a file tandem.json, which names the method. The module does not import torch at the top
level: `compress` and `restore` import what they need, so that params can be validated quickly.

To add a method, add its module, list its name under `methods` in params.yaml, and add a section
with its params to each task in params.yaml.
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
    """The inputs of a compression method, which may modify `model` in place."""

    model: TextModel
    rows: Sequence[Row]
    """The training rows, including the augmented ones."""
    validation: Sequence[Row]
    runtime: Runtime
    folder: Path
    """The empty folder that the compressed model is written to."""


class Method(Protocol):
    """The interface of a compression module."""

    LABEL: str
    """The name of the method in reports."""
    Params: type[StrictModel]
    """The class of the method's params, which are the section `TASK.METHOD` of params.yaml."""

    def compress(self, context: CompressionContext, params: Any) -> None:
        """Write the compressed model into `context.folder`."""


class Restorable(Method, Protocol):
    """The interface of a method that writes folders which `from_pretrained` cannot read."""

    def restore(self, folder: Path, auto: Any) -> Any:
        """Load the network in `folder` with the transformers class `auto`."""


def load(name: str) -> Method:
    """Return the method with this name.

    Raises:
        UnknownName: there is no such method.
    """
    return cast(Method, registry.load("compression", name))
