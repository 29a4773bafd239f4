"""Find plug-ins by name: each is a module `tandem.<package>.<name>`; no registration is needed.

A task, source, corpus, filter, augmentation, compression method, metric, baseline or stage is one
file in the folder of its kind. The file's name is the plug-in's name in params.yaml and on the
command line. Subfolders, such as `common`, contain code and data that several plug-ins use.
"""

import ast
import contextlib
import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

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
"""Package → the term for one of its plug-ins in messages."""


def names(package: str) -> list[str]:
    """The sorted names of the plug-ins of `tandem.<package>`; the package is not imported."""
    modules = pkgutil.iter_modules(_folders(package))
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


def source_file(package: str, name: str) -> Path:
    """The file of the plug-in `name`, which must exist."""
    return next(p for folder in _folders(package) if (p := Path(folder, f"{name}.py")).is_file())


@functools.cache
def constants(package: str, name: str) -> Mapping[str, Any]:
    """The literal constants of a plug-in's module, read from its source without importing it.

    A stage that needs only the label of a plug-in therefore depends on the plug-in's file, but not
    on the modules that the file imports. The result is empty if there is no such plug-in.
    """
    if name not in names(package):
        return {}
    values: dict[str, Any] = {}
    for node in ast.parse(source_file(package, name).read_bytes()).body:
        if isinstance(node, ast.Assign):
            with contextlib.suppress(ValueError):  # not a literal
                value = ast.literal_eval(node.value)
                for target in node.targets:
                    values |= _assigned(target, value)
    return values


def _assigned(target: ast.expr, value: Any) -> dict[str, Any]:
    """Name → assigned value; the target is one name, or several as in `LOW, HIGH = 0, 1`."""
    if isinstance(target, ast.Name):
        return {target.id: value}
    if isinstance(target, ast.Tuple):
        pairs = zip(target.elts, value, strict=True)
        return {t.id: v for t, v in pairs if isinstance(t, ast.Name)}
    return {}


def _folders(package: str) -> list[str]:
    """The folders of `tandem.<package>`. The package itself is not imported."""
    spec = find_spec(f"tandem.{package}")
    return list(spec.submodule_search_locations or ()) if spec else []
