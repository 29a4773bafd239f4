"""Find a plug-in by name: `tandem.<package>.<name>` is a module, and that is all it takes.

A task, source, corpus, augmentation, compression method or stage is one file in its folder;
its file name is its name in params.yaml and on the command line.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from tandem.core.errors import UnknownName

KINDS = {
    "stages": "stage",
    "tasks": "task",
    "sources": "source",
    "corpora": "corpus",
    "weights": "source of weights",
    "augmentation": "augmentation",
    "compression": "compression method",
    "metrics": "metric",
    "baselines": "baseline",
    "families": "model family",
    "modeling": "model family",
    "text.filters": "filter",
    "lineage.exports": "export format",
}


def names(package: str) -> list[str]:
    """The plug-ins of `tandem.<package>`, sorted; modules starting with `_` are helpers."""
    folder = Path(__file__).parents[1].joinpath(*package.split("."))
    found = pkgutil.iter_modules([str(folder)])  # without importing the package
    return sorted(module.name for module in found if not module.name.startswith("_"))


def load(package: str, name: str, where: str = "") -> ModuleType:
    """Import the plug-in `name` of `tandem.<package>`.

    Raises:
        UnknownName: there is none of this name; the nearest existing one is offered.
    """
    available = names(package)
    if name not in available:
        raise UnknownName(KINDS[package], name, available, where)
    return importlib.import_module(f"tandem.{package}.{name}")
