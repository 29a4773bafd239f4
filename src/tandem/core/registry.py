"""Find a plug-in by name: a module `tandem.<package>.<name>` is a plug-in, without registration.

A task, source, corpus, filter, augmentation, compression method, metric, baseline or stage is one
file in its folder. The name of the file is its name in params.yaml and on the command line.
Subfolders, such as `common`, hold what plug-ins share.
"""

import importlib
import pkgutil
from importlib.util import find_spec
from types import ModuleType

from tandem.core.errors import UnknownName

KINDS = {
    "stages": "stage",
    "tasks": "task",
    "sources": "source",
    "corpora": "corpus",
    "pretrained": "source of weights",
    "augmentation": "augmentation",
    "compression": "compression method",
    "metrics": "metric",
    "baselines": "baseline",
    "modeling.families": "model family",
    "text.filters": "filter",
    "lineage.exports": "export format",
}
"""Package → how messages call one of its plug-ins."""


def names(package: str) -> list[str]:
    """The names of the plug-ins of `tandem.<package>`, sorted; the package is not imported."""
    spec = find_spec(f"tandem.{package}")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    modules = pkgutil.iter_modules(folders)
    return sorted(m.name for m in modules if not m.ispkg and not m.name.startswith("_"))


def load(package: str, name: str, where: str = "") -> ModuleType:
    """Import the plug-in `name` of `tandem.<package>`.

    Raises:
        UnknownName: there is no such plug-in; the message suggests the closest name.
    """
    available = names(package)
    if name not in available:
        raise UnknownName(KINDS[package], name, available, where)
    return importlib.import_module(f"tandem.{package}.{name}")
