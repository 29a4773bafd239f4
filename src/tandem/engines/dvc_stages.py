"""What dvc.yaml declares of each stage, matrices and params filled in by DVC's own parser.

The parser comes without DVC's repository, its cache and its graph: a stage asks at its start which
files are its own, and that may take no time.
"""

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core import registry
from tandem.core.errors import StageError
from tandem.core.io import parse_yaml
from tandem.core.paths import DAG, PARAMS
from tandem.core.provenance import StageSpec

KINDS_OF_OUTPUT = ("outs", "metrics", "plots")


def stages(root: Path = Path(), content: Mapping[str, Any] | None = None) -> Iterator[StageSpec]:
    """The stages of `root`/dvc.yaml, in its order, under params.yaml or under the params `content`.

    Raises:
        StageError: dvc.yaml cannot be read, or uses params that do not exist.
    """
    resolver = _resolver(root, content)
    for name in _as_stage_error(root, lambda: list(resolver.get_keys())):
        yield _stage(root, resolver, name)


def find_stage(command: str, name: str | None = None) -> StageSpec | None:
    """The stage here that runs `command`; `name`, which DVC tells its children, spares a search."""
    if not DAG.exists():
        return None
    if name is not None:
        found = _stage(Path(), _resolver(Path()), name)
        if found.command == command:
            return found
    return next((stage for stage in stages() if stage.command == command), None)


def place(name: str) -> str:
    """The place of a stage among those of dvc.yaml, as `13/55`; empty if it is not one of them.

    `dvc repro` runs stages in the order of dvc.yaml if each is below those that it depends on.
    """
    names = list(_resolver(Path()).get_keys()) if DAG.exists() else []
    return f"{names.index(name) + 1}/{len(names)}" if name in names else ""


def sections(content: Mapping[str, Any], root: Path = Path()) -> dict[str, set[str]]:
    """Task → the sections of params.yaml that stages of `root`/dvc.yaml read.

    Raises:
        StageError: dvc.yaml cannot be read, or uses params that do not exist.
    """
    if not (root / DAG).exists():  # a trial without a pipeline: what is there is checked
        known = {*registry.names("stages"), *content["methods"]}
        return {task: known & {*content.get(task, ())} for task in content["tasks"]}
    found: dict[str, set[str]] = {task: set() for task in content["tasks"]}
    for stage in stages(root, content):
        for key in stage.params:
            task, dot, section = key.partition(".")
            if dot and task in found:
                found[task].add(section.partition(".")[0])
    return found


def _resolver(root: Path, content: Mapping[str, Any] | None = None) -> Any:
    """DVC's parser of dvc.yaml, under params.yaml or under the params `content`."""
    if content is not None:
        return _new_resolver(root, content)
    files = [root.resolve() / name for name in (DAG, PARAMS)]
    stats = [path.stat() for path in files if path.exists()]
    return _known_resolver(root, *files, *((stat.st_mtime_ns, stat.st_size) for stat in stats))


@lru_cache(maxsize=1)
def _known_resolver(root: Path, *_state: Any) -> Any:
    """The parser of files in this state, which takes a tenth of a second to make."""
    return _new_resolver(root)


def _new_resolver(root: Path, content: Mapping[str, Any] | None = None) -> Any:
    """DVC's parser; of a repository it needs the settings and a file system."""
    from dvc.parsing import DataResolver

    def data() -> Any:
        return parse_yaml((root / DAG).read_text(encoding="utf-8"))

    folder = str(root.resolve())
    files = _Files(folder, content)
    repo = SimpleNamespace(fs=files, config={}, root_dir=folder)
    return _as_stage_error(root, lambda: DataResolver(repo, folder, data()))


def _stage(root: Path, resolver: Any, name: str) -> StageSpec:
    stage: StageSpec = _as_stage_error(
        root, lambda: _to_spec(name, resolver.resolve_one(name)[name])
    )
    return stage


def _to_spec(name: str, found: Mapping[str, Any]) -> StageSpec:
    if not isinstance(found.get("cmd"), str) or "wdir" in found:
        raise ValueError(f"{name} must have one cmd, and no wdir")
    outs = dict(_out(out) for kind in KINDS_OF_OUTPUT for out in found.get(kind, ()))
    return StageSpec(
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


def _as_stage_error(root: Path, read: Any) -> Any:
    from dvc.exceptions import DvcException

    try:
        return read()
    except (
        OSError, YAMLError, DvcException, AssertionError, AttributeError, LookupError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        problem = " ".join(str(error).split())
        raise StageError(f"{root / DAG} cannot be read: {problem}; fix it and run again") from None


class _Files:
    """The part of fsspec that the parser calls, for local files; fsspec is slow to import.

    With `content`, it replaces what is in params.yaml.
    """

    join = staticmethod(os.path.join)
    normpath = staticmethod(os.path.normpath)
    relpath = staticmethod(os.path.relpath)
    exists = staticmethod(os.path.exists)
    isdir = staticmethod(os.path.isdir)

    def __init__(self, root: str, content: Mapping[str, Any] | None) -> None:
        self.params = os.path.join(root, PARAMS)  # noqa: PTH118 - the parser's paths are strings
        self.content = content

    def open(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """A file for reading."""
        if self.content is not None and os.path.abspath(path) == self.params:  # noqa: PTH100
            return StringIO(json.dumps(self.content))  # JSON is YAML
        return open(path, *args, **kwargs)  # noqa: PTH123

    @staticmethod
    def suffix(path: str) -> str:
        """The extension of a file name, by which the parser knows its format."""
        return os.path.splitext(path)[1]  # noqa: PTH122
