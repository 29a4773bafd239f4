"""workflow/packages: for each stage of dvc.yaml the locked versions of what its code imports.

A stage depends on its own such file and not on requirements.lock, so that a newer plotting
library retrains nothing, and a newer torch makes stale exactly what uses it. `tandem packages`
writes them anew, after a change of requirements.lock or of an import; a test holds them to both.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from tandem.core import io, paths
from tandem.core.errors import StageError

CODE = "src/"


def write() -> None:
    """Write a file a stage, and remove those of stages that are no more."""
    found = files()
    for path in paths.PACKAGES.glob("*.txt"):
        if path.name not in found:
            io.remove(path)
    for name, text in found.items():
        with io.writing(paths.PACKAGES / name) as (partial,):
            partial.write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """File name → content, for every stage of dvc.yaml."""
    stages = io.parse_yaml(paths.DAG.read_text(encoding="utf-8"))["stages"]
    locked, owners = versions(), metadata.packages_distributions()
    return {
        f"{name}.txt": "".join(
            f"{package}=={version}\n"
            for package, version in sorted(_packages(code(stage), locked, owners).items())
        )
        for name, stage in stages.items()
    }


def versions(root: Path = Path()) -> dict[str, str]:
    """Package → version in requirements.lock, by normalised name (PEP 503)."""
    lines = (root / paths.REQUIREMENTS).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): version for name, version in pairs}


def of_stage(path: Path) -> dict[str, str]:
    """Package → version in a file of workflow/packages."""
    lines = path.read_text(encoding="utf-8", errors="replace").split()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def normal(name: str) -> str:
    """A package's name in its one spelling (PEP 503).

    >>> normal("ruamel.yaml")
    'ruamel-yaml'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def code(stage: Mapping[str, object]) -> list[Path]:
    """The Python files that a stage of dvc.yaml depends on, for any task and method."""
    body = stage.get("do", stage)
    deps = [re.sub(r"\$\{[^}]*\}", "*", dep) for dep in body["deps"]]  # type: ignore[index]
    found: set[Path] = set()
    for path in (p for dep in deps if dep.startswith(CODE) for p in sorted(Path().glob(dep))):
        found |= {*path.rglob("*.py")} if path.is_dir() else {path}
    return sorted(found)


def _packages(
    sources: Iterable[Path], locked: Mapping[str, str], owners: Mapping[str, list[str]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for module in {name for path in sources for name in imported(path)}:
        if module in sys.stdlib_module_names or module == "tandem":
            continue
        names = {normal(owner) for owner in owners.get(module, ())} & locked.keys()
        if not names:
            raise StageError(f"no package of {paths.REQUIREMENTS} has the module {module!r}")
        found |= {name: locked[name] for name in names}
    return found


def imported(path: Path) -> Iterator[str]:
    """The top-level modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
