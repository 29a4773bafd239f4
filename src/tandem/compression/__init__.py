"""Ways to make a trained model smaller or faster: one method a file.

A method's module has

    Params      its settings, the part of a task's section that bears the method's name
    compress    `compress(given, settings)` writes the smaller model into `given.folder`
    restore     reads that folder, where `from_pretrained` of Hugging Face cannot; such a folder
                holds tandem.json, which names the method

Params are checked wherever they are read, which must not take the seconds that torch needs: what
`compress` and `restore` work with, they import themselves.

A new method is one such file, its name under `methods` in params.yaml and a part a task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tandem.core.params import Runtime
from tandem.core.rows import Row

if TYPE_CHECKING:
    from tandem.modeling import TextModel


@dataclass(frozen=True)
class Given:
    """What every method is given: it changes `model` as it likes."""

    model: TextModel
    rows: Sequence[Row]
    """Training rows, augmented ones too."""
    validation: Sequence[Row]
    runtime: Runtime
    folder: Path
    """Where the smaller model goes: there and empty."""
