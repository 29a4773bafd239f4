"""The code that a stage can run: the import closure of its module, and all imported packages.

The closure is computed from syntax trees, without importing anything. The imports of the
stage's module are followed recursively, including those inside functions. A plug-in is imported by
a name that is known only at run time. So the closure contains the plug-ins that are named by the
stage's command, by the values of its params, or by a string in code that is already part of the
closure:

    tandem train intent ── stages.train ── registry.load("tasks", …) ── tasks.intent
                                               family = "tagging"
                           registry.load("modeling.families", …) ── modeling.families.tagging

When a stage ends, `tandem.core.provenance` compares the closure with the modules that the
stage has imported.
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
from tandem.core.provenance import StageCode, StageSpec, all_strings, value_of_key
from tandem.core.source_digest import source_digest, tree_digest

PACKAGE = "tandem"
ALWAYS = (f"{PACKAGE}.core.determinism",)
"""Modules that every stage depends on: `tandem` uses them before it imports the stage's module."""
PLUGIN_CALLS = {"registry.load", "plugin_field"}
"""Functions whose first argument is a package of plug-ins that are chosen by name."""
READ_CALLS = {"registry.constants"}
"""Functions that read a plug-in's file without importing it. If a plug-in is only read in this way,
the closure contains its file, but not the modules that this file imports."""


@dataclass(frozen=True)
class Module:
    """A parsed source file: its imports, plug-in packages, string constants and digests."""

    path: str
    """Relative to src."""
    imports: frozenset[str]
    """Dotted names; `from a import b` gives both `a` and `a.b`."""
    plugin_packages: frozenset[str]
    """Packages whose plug-ins the file loads by name."""
    read_packages: frozenset[str]
    """Packages from whose plug-ins the file reads constants, without importing them."""
    strings: frozenset[str]
    """String constants, except docstrings and the values of `Literal` types."""
    digests: Mapping[str, str]
    """Path relative to src → digest, for the file and the non-Python files of its package."""


class Closures:
    """Computes the import closures of a project's stages; each file is parsed only once."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self.module = cache(self._module)
        self.plugins = cache(self._plugins)
        self.data_files = cache(self._data_files)

    @cached_property
    def locked(self) -> dict[str, str]:
        """Normalized package name (PEP 503) → version in requirements.lock."""
        return locked_versions(self.root)

    def code(self, stage: StageSpec, content: Mapping[str, Any]) -> StageCode:
        """The code of a stage, given the `content` of params.yaml.

        Raises:
            StageError: the stage's module is missing, or a file cannot be parsed.
        """
        modules = self.closure(stage, content).values()
        files = {path: digest for module in modules for path, digest in module.digests.items()}
        return StageCode(files=dict(sorted(files.items())), packages=self._packages(modules))

    def closure(self, stage: StageSpec, content: Mapping[str, Any]) -> dict[str, Module]:
        """The modules that a stage can import, by name."""
        _, command, *arguments = stage.command.split()
        start = f"{PACKAGE}.stages.{command.replace('-', '_')}"
        if self.module(start) is None:
            raise StageError(f"{paths.DAG}: {stage.name} runs {stage.command!r}: no such command")
        values = {key: value_of_key(content, key) for key in stage.params}
        strings = {*arguments, *all_strings(values)}
        plugin_packages = set[str]()
        closure: dict[str, Module] = {}
        pending = {start, *ALWAYS}
        while pending:
            dotted = {part for name in pending for part in _with_parents(name)}
            for name in dotted - closure.keys():
                module = self.module(name)
                if module is not None:
                    closure[name] = module
                    strings |= module.strings
                    plugin_packages |= module.plugin_packages
            # A new string may name a plug-in of a package that was found earlier, so each pass
            # compares all strings with all plug-ins.
            plugins = {f"{PACKAGE}.{p}.{name}" for p in plugin_packages for name in self.plugins(p)}
            pending = {name for module in closure.values() for name in module.imports}
            pending |= {name for name in plugins if name.rpartition(".")[2] in strings}
            pending = {name for name in pending - closure.keys() if self.module(name)}
        return self._read_plugins(closure, strings) | closure

    def _read_plugins(
        self, closure: Mapping[str, Module], strings: Container[str]
    ) -> dict[str, Module]:
        """The plug-ins whose constants the closure reads; their own imports are left out."""
        packages = {package for module in closure.values() for package in module.read_packages}
        names = [(f"{PACKAGE}.{p}.{name}", name) for p in packages for name in self.plugins(p)]
        plugins = {path: self.module(path) for path, name in names if name in strings}
        return {name: replace(m, imports=frozenset()) for name, m in plugins.items() if m}

    def _module(self, name: str) -> Module | None:
        """The module of Tandem with this dotted name; None if there is no such module."""
        path = self._file(name)
        return self._parsed(path, name) if path else None

    def _plugins(self, package: str) -> list[str]:
        """The names of the modules in the folder of a package of plug-ins."""
        folder = self.root / paths.SOURCE / Path(PACKAGE, *package.split("."))
        return sorted(path.stem for path in folder.glob("*.py"))

    def _file(self, module: str) -> Path | None:
        if module.partition(".")[0] != PACKAGE:
            return None
        base = self.root.joinpath(paths.SOURCE, *module.split("."))
        candidates = base / "__init__.py", base.with_suffix(".py")
        return next((path for path in candidates if path.is_file()), None)

    def _parsed(self, path: Path, name: str) -> Module:
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
        except (SyntaxError, ValueError) as error:
            raise StageError(f"{path} cannot be parsed: {error}") from None
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        nodes = list(ast.walk(tree))
        ignored = {id(string) for node in nodes for string in _ignored_strings(node)}
        relative = path.relative_to(self.root / paths.SOURCE).as_posix()
        return Module(
            path=relative,
            imports=frozenset(name for node in nodes for name in _imports(node, package)),
            plugin_packages=frozenset(p for node in nodes for p in _packages(node, PLUGIN_CALLS)),
            read_packages=frozenset(p for node in nodes for p in _packages(node, READ_CALLS)),
            strings=frozenset(
                node.value
                for node in nodes
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in ignored
            ),
            digests={relative: tree_digest(tree)} | self.data_files(path.parent),
        )

    def _data_files(self, folder: Path) -> dict[str, str]:
        """Digests of a package's non-Python files, such as templates and JSON files.

        The files are in the package's folder, or in a subfolder without Python files.
        """
        files: list[Path] = []
        for entry in folder.iterdir():
            if entry.is_file() and entry.suffix not in (".py", ".pyc"):
                files.append(entry)
            elif entry.is_dir() and entry.name != "__pycache__" and not [*entry.rglob("*.py")]:
                files += (file for file in entry.rglob("*") if file.is_file())
        source = self.root / paths.SOURCE
        return {file.relative_to(source).as_posix(): source_digest(file) for file in files}

    def _packages(self, modules: Iterable[Module]) -> dict[str, str]:
        """Package → its locked version, for each package that the modules import.

        Raises:
            StageError: a module imports a package that requirements.lock does not list.
        """
        imported_by = {
            name.partition(".")[0]: module.path for module in modules for name in module.imports
        }
        versions: dict[str, str] = {}
        for name in imported_by.keys() - sys.stdlib_module_names - {PACKAGE}:
            packages = {normalized(package) for package in installed_modules().get(name, ())}
            packages &= self.locked.keys()
            if not packages:
                importer = f"{paths.SOURCE}/{imported_by[name]}"
                raise StageError(f"{importer} imports {name}, which {paths.REQUIREMENTS} lacks")
            versions |= {package: self.locked[package] for package in packages}
        return dict(sorted(versions.items()))


@cache
def installed_modules() -> Mapping[str, list[str]]:
    """Top-level module → the installed packages that provide it."""
    return metadata.packages_distributions()


def locked_versions(root: Path = Path()) -> dict[str, str]:
    """Normalized package name (PEP 503) → version in requirements.lock."""
    lines = (root / paths.REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


def normalized(name: str) -> str:
    """A package's normalized name (PEP 503).

    >>> normalized("ruamel.yaml")
    'ruamel-yaml'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_parents(module: str) -> list[str]:
    """A module and its parent packages, which Python imports first."""
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """The dotted names that a statement in a module of `package` may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")[: 1 - node.level or None] if node.level else []
        module = ".".join([*parents, *filter(None, [node.module])])
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names)


def _ignored_strings(node: ast.AST) -> Iterator[ast.AST]:
    """The strings in a node that never select a plug-in: a docstring, or the values of a `Literal`.

    A `Literal` lists the values that a param may have; the actual value is read from params.yaml.
    """
    if isinstance(node, ast.Expr):
        yield node.value
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        yield from ast.walk(node.slice)


def _packages(node: ast.AST, calls: Container[str]) -> Iterator[str]:
    """The package of plug-ins named in `node`, if `node` is a call to a function in `calls`."""
    if not isinstance(node, ast.Call) or not node.args:
        return
    first = node.args[0]
    if isinstance(first, ast.Constant) and ast.unparse(node.func) in calls:
        yield str(first.value)


def of_stages(stages: Iterable[StageSpec], root: Path = Path()) -> dict[str, StageCode]:
    """Path (relative to the root) → content, for each file in workflow/code that `stages` read."""
    closures, content = Closures(root), params.read(root / paths.PARAMS)
    return {stage.code: closures.code(stage, content) for stage in stages if stage.code}
