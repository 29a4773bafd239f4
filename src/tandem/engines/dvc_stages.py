"""What dvc.yaml declares of each stage, matrices and params filled in by DVC's own parser.

The parser comes without DVC's repository, its cache and its graph: a stage asks at its start which
files are its own, and that may take no time.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core.errors import StageError
from tandem.core.io import parse_yaml
from tandem.core.paths import DAG
from tandem.core.provenance import Declared

KINDS_OF_OUTPUT = ("outs", "metrics", "plots")


def stages(root: Path = Path()) -> Iterator[Declared]:
    """The stages of `root`/dvc.yaml under `root`/params.yaml, in the order in which they stand.

    Raises:
        StageError: dvc.yaml cannot be read, or names params that are not there.
    """
    resolver = _resolver(root)
    for name in _reading(root, lambda: list(resolver.get_keys())):
        yield _stage(root, resolver, name)


def stage_of(command: str, name: str | None = None) -> Declared | None:
    """The stage here that runs `command`; `name`, which DVC tells its children, spares a search."""
    if not DAG.exists():
        return None
    if name is not None:
        found = _stage(Path(), _resolver(Path()), name)
        if found.command == command:
            return found
    return next((stage for stage in stages() if stage.command == command), None)


def _resolver(root: Path) -> Any:
    """DVC's parser of dvc.yaml; of a repository it needs the settings and a way to files."""
    from dvc.parsing import DataResolver

    def data() -> Any:
        return parse_yaml((root / DAG).read_text(encoding="utf-8"))

    folder = str(root.resolve())
    repo = SimpleNamespace(fs=_Files, config={}, root_dir=folder)
    return _reading(root, lambda: DataResolver(repo, folder, data()))


def _stage(root: Path, resolver: Any, name: str) -> Declared:
    stage: Declared = _reading(root, lambda: _filled(name, resolver.resolve_one(name)[name]))
    return stage


def _filled(name: str, found: Mapping[str, Any]) -> Declared:
    if not isinstance(found.get("cmd"), str) or "wdir" in found:
        raise ValueError(f"{name} must have one cmd, and no wdir")
    outs = dict(_out(out) for kind in KINDS_OF_OUTPUT for out in found.get(kind, ()))
    return Declared(
        name=name,
        command=found["cmd"],
        deps=tuple(sorted({*found.get("deps", ())})),
        params=tuple(sorted({*found.get("params", ())})),
        outs=tuple(sorted(outs)),
        in_git=tuple(sorted(path for path, options in outs.items() if not options["cache"])),
    )


def _out(out: Any) -> tuple[str, dict[str, Any]]:
    """The path of an output, which is a text or one key over its options, and those."""
    if isinstance(out, str):
        return out, {"cache": True}
    ((path, options),) = out.items()
    return path, {"cache": True} | options


def _reading(root: Path, read: Any) -> Any:
    from dvc.exceptions import DvcException

    try:
        return read()
    except (
        OSError, YAMLError, DvcException, AssertionError, AttributeError, LookupError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        problem = " ".join(str(error).split())
        raise StageError(f"{root / DAG} cannot be read: {problem}; mend it, then again") from None


class _Files:
    """The part of fsspec that the parser calls, for local files; fsspec is slow to import."""

    join, normpath, relpath = os.path.join, os.path.normpath, os.path.relpath
    exists, isdir, open = os.path.exists, os.path.isdir, open

    @staticmethod
    def suffix(path: str) -> str:
        """The ending of a file's name, by which the parser knows its format."""
        return os.path.splitext(path)[1]  # noqa: PTH122 - the parser's paths are texts
