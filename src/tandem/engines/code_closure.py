"""The code that a stage can run: the import closure of its module, and the packages it imports.

The closure is computed from syntax trees, without importing anything. It starts at the stage's
module and follows imports wherever they are in a file. A plug-in is imported by a name that is
known at run time only, so the closure holds the plug-ins that are named by the stage's command,
by the values of its params, or by a string in the code that is already part of the closure:

    tandem train intent ── stages.train ── registry.load("tasks", …) ── tasks.intent
                                               family = "tagging"
                                           registry.load("modeling", …) ── modeling.tagging

`tandem.core.provenance` compares the closure with what a stage has imported when it ends.
"""

import ast
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from tandem.core import params, paths
from tandem.core.errors import StageError
from tandem.core.provenance import StageCode, StageSpec, value_of_key
from tandem.core.source_digest import source_digest, tree_digest

PACKAGE = "tandem"
ALWAYS = (f"{PACKAGE}.core.determinism",)
"""Modules that every stage depends on: `tandem` sets their pins before the stage's module runs."""
PLUGIN_CALLS = {"registry.load", "plugin_field"}
"""Functions whose first argument is a package of plug-ins that are chosen by name."""
READ_CALLS = {"registry.constants"}
"""Calls that read a plug-in's file and do not import it: the closure holds the file alone."""


@dataclass(frozen=True)
class Module:
    """What one source file imports and names."""

    path: str
    """Below src."""
    imports: frozenset[str]
    """Dotted names; `from a import b` gives both `a` and `a.b`."""
    kinds: frozenset[str]
    """Packages whose plug-ins the file loads by name."""
    read_kinds: frozenset[str]
    """Packages of whose plug-ins the file reads constants, without importing them."""
    strings: frozenset[str]
    digests: Mapping[str, str]
    """Path below src → digest, of the file and of its package's files that are not Python."""


class Closures:
    """Computes closures below a project's root; each file is parsed once."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self.module = cache(self._module)
        self.plugins = cache(self._plugins)
        self.data_files = cache(self._data_files)

    @cached_property
    def locked(self) -> dict[str, str]:
        """Package → version in requirements.lock, by normalized name (PEP 503)."""
        return locked_versions(self.root)

    def code(self, stage: StageSpec, content: Mapping[str, Any]) -> StageCode:
        """The code of a stage under the params `content`.

        Raises:
            StageError: the stage's module is missing, or a file cannot be parsed.
        """
        modules = self.closure(stage, content).values()
        files = {name: digest for module in modules for name, digest in module.digests.items()}
        return StageCode(files=dict(sorted(files.items())), packages=self._packages(modules))

    def closure(self, stage: StageSpec, content: Mapping[str, Any]) -> dict[str, Module]:
        """The modules that a stage can import, by name."""
        _, command, *arguments = stage.command.split()
        start = f"{PACKAGE}.stages.{command.replace('-', '_')}"
        if self.module(start) is None:
            raise StageError(f"{paths.DAG}: {stage.name} runs {stage.command!r}: no such command")
        strings = {*arguments, *_strings({key: value_of_key(content, key) for key in stage.params})}
        kinds = set[str]()
        found: dict[str, Module] = {}
        todo = {start, *ALWAYS}
        while todo:
            for name in {part for dotted in todo for part in _with_parents(dotted)} - found.keys():
                module = self.module(name)
                if module is not None:
                    found[name] = module
                    strings |= module.strings
                    kinds |= module.kinds
            plugins = {f"{PACKAGE}.{kind}.{n}" for kind in kinds for n in self.plugins(kind)}
            todo = {name for module in found.values() for name in module.imports}
            todo |= {name for name in plugins if name.rpartition(".")[2] in strings}
            todo = {name for name in todo - found.keys() if self.module(name)}
        return self._read_plugins(found, strings) | found

    def _read_plugins(
        self, modules: Mapping[str, Module], strings: Container[str]
    ) -> dict[str, Module]:
        """The named plug-ins whose constants `modules` read, without what they import."""
        kinds = {kind for module in modules.values() for kind in module.read_kinds}
        names = [(f"{PACKAGE}.{kind}.{n}", n) for kind in kinds for n in self.plugins(kind)]
        plugins = {path: self.module(path) for path, name in names if name in strings}
        return {name: replace(m, imports=frozenset()) for name, m in plugins.items() if m}

    def _module(self, name: str) -> Module | None:
        """The module of the package that has this dotted name, if there is one."""
        path = self._file(name)
        return self._parsed(path, name) if path else None

    def _plugins(self, kind: str) -> list[str]:
        """The names of the modules in the folder of a kind of plug-in."""
        folder = self.root / paths.SOURCE / Path(PACKAGE, *kind.split("."))
        return sorted(path.stem for path in folder.glob("*.py"))

    def _file(self, module: str) -> Path | None:
        if module.partition(".")[0] != PACKAGE:
            return None
        base = self.root.joinpath(paths.SOURCE, *module.split("."))
        places = base / "__init__.py", base.with_suffix(".py")
        return next((path for path in places if path.is_file()), None)

    def _parsed(self, path: Path, name: str) -> Module:
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
        except (SyntaxError, ValueError) as error:
            raise StageError(f"{path} cannot be parsed: {error}") from None
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        nodes = list(ast.walk(tree))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        below = path.relative_to(self.root / paths.SOURCE).as_posix()
        return Module(
            path=below,
            imports=frozenset(name for node in nodes for name in _imports(node, package)),
            kinds=frozenset(kind for node in nodes for kind in _kinds(node, PLUGIN_CALLS)),
            read_kinds=frozenset(kind for node in nodes for kind in _kinds(node, READ_CALLS)),
            strings=frozenset(
                node.value
                for node in nodes
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docstrings
            ),
            digests={below: tree_digest(tree)} | self.data_files(path.parent),
        )

    def _data_files(self, folder: Path) -> dict[str, str]:
        """Digests of a package's files that are not Python: templates, lists of values.

        They are in the package's folder, or in a folder below it that holds no Python.
        """
        found: list[Path] = []
        for entry in folder.iterdir():
            if entry.is_file() and entry.suffix not in (".py", ".pyc"):
                found.append(entry)
            elif entry.is_dir() and entry.name != "__pycache__" and not [*entry.rglob("*.py")]:
                found += (file for file in entry.rglob("*") if file.is_file())
        source = self.root / paths.SOURCE
        return {file.relative_to(source).as_posix(): source_digest(file) for file in found}

    def _packages(self, modules: Iterable[Module]) -> dict[str, str]:
        imported_by = {
            name.partition(".")[0]: module.path for module in modules for name in module.imports
        }
        found: dict[str, str] = {}
        for name in imported_by.keys() - sys.stdlib_module_names - {PACKAGE}:
            owners = {normalized(owner) for owner in installed_modules().get(name, ())}
            owners &= self.locked.keys()
            if not owners:
                where = f"{paths.SOURCE}/{imported_by[name]}"
                raise StageError(f"{where} imports {name}, which {paths.REQUIREMENTS} lacks")
            found |= {owner: self.locked[owner] for owner in owners}
        return dict(sorted(found.items()))


@cache
def installed_modules() -> Mapping[str, list[str]]:
    """Top-level module → the installed packages that provide it."""
    return metadata.packages_distributions()


def locked_versions(root: Path = Path()) -> dict[str, str]:
    """Package → version in requirements.lock, by normalized name (PEP 503)."""
    lines = (root / paths.REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


def normalized(name: str) -> str:
    """A package's name in its one spelling (PEP 503).

    >>> normalized("ruamel.yaml")
    'ruamel-yaml'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_parents(module: str) -> list[str]:
    """A module and the packages around it, which Python imports first."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """The dotted names that a statement of a module of `package` may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".")[: 1 - node.level or None] if node.level else []
        module = ".".join([*above, *filter(None, [node.module])])
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names)


def _kinds(node: ast.AST, calls: Container[str]) -> Iterator[str]:
    """The kind of plug-in that an expression names, if it is one of these calls."""
    if not isinstance(node, ast.Call) or not node.args:
        return
    first = node.args[0]
    if isinstance(first, ast.Constant) and ast.unparse(node.func) in calls:
        yield str(first.value)


def _strings(value: Any) -> Iterator[str]:
    """All strings in nested params, keys included."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield str(key)
            yield from _strings(below)
    elif isinstance(value, list):
        for below in value:
            yield from _strings(below)
    elif isinstance(value, str):
        yield value


def of_stages(stages: Iterable[StageSpec], root: Path = Path()) -> dict[str, StageCode]:
    """Path of a code file below the root → its content, for the stages that declare one."""
    closures, content = Closures(root), params.read(root / paths.PARAMS)
    return {stage.code: closures.code(stage, content) for stage in stages if stage.code}
