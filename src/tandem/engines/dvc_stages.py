"""The stages that dvc.yaml declares, with matrices and params resolved by DVC's own parser.

Only the parser is used, without DVC's repository, cache and graph: every stage looks up its own
entry in dvc.yaml when it starts, so parsing has to be fast.
"""

import json
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
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

OUTPUT_KEYS = ("outs", "metrics", "plots")


def stages(root: Path = Path(), content: Mapping[str, Any] | None = None) -> Iterator[StageSpec]:
    """Read the stages of `root`/dvc.yaml, in the order in which the file lists them.

    Args:
        root: The project's root.
        content: The content of params.yaml; if None, the file is read.

    Raises:
        StageError: dvc.yaml cannot be read, or uses params that do not exist.
    """
    resolver = _resolver(root, content)
    for name in _as_stage_error(root, lambda: list(resolver.get_keys())):
        yield _stage(root, resolver, name)


def find_stage(command: str, name: str | None = None) -> StageSpec | None:
    """Find the stage in ./dvc.yaml that runs `command`; return None if there is no such stage.

    Args:
        command: The whole command, as in dvc.yaml.
        name: The stage's name if it is known, which saves a search; DVC passes the name to the
            processes that it starts.
    """
    if not DAG.exists():
        return None
    if name is not None:
        stage = _stage(Path(), _resolver(Path()), name)
        if stage.command == command:
            return stage
    return next((stage for stage in stages() if stage.command == command), None)


def place(name: str) -> str:
    """The position of a stage in dvc.yaml, such as `13/55`; empty if it is not in dvc.yaml.

    `dvc repro` runs stages in the order of dvc.yaml if each stage is listed after its dependencies.
    """
    names = list(_resolver(Path()).get_keys()) if DAG.exists() else []
    return f"{names.index(name) + 1}/{len(names)}" if name in names else ""


def sections(content: Mapping[str, Any], root: Path = Path()) -> dict[str, set[str]]:
    """Task → the sections of params.yaml that stages of `root`/dvc.yaml read.

    Raises:
        StageError: dvc.yaml cannot be read, or uses params that do not exist.
    """
    if not (root / DAG).exists():
        # Without dvc.yaml, return each section of a task that is named after a stage or method.
        names = {*registry.names("stages"), *content["methods"]}
        return {task: names & {*content.get(task, ())} for task in content["tasks"]}
    sections_of: dict[str, set[str]] = {task: set() for task in content["tasks"]}
    for stage in stages(root, content):
        for key in stage.params:
            task, dot, section = key.partition(".")
            if dot and task in sections_of:
                sections_of[task].add(section.partition(".")[0])
    return sections_of


def _resolver(root: Path, content: Mapping[str, Any] | None = None) -> Any:
    """DVC's parser of dvc.yaml; params come from `content` or, if it is None, from params.yaml."""
    if content is not None:
        return _new_resolver(root, content)
    files = [root.resolve() / name for name in (DAG, PARAMS)]
    stats = [path.stat() for path in files if path.exists()]
    return _cached_resolver(root, *files, *((stat.st_mtime_ns, stat.st_size) for stat in stats))


@lru_cache(maxsize=1)
def _cached_resolver(root: Path, *_state: Any) -> Any:
    """A cached parser; it is replaced if a path, modification time or size in `_state` changes.

    Creating a parser takes a tenth of a second.
    """
    return _new_resolver(root)


def _new_resolver(root: Path, content: Mapping[str, Any] | None = None) -> Any:
    """A new parser, with a stand-in for the parts of a DVC repository that it uses."""
    from dvc.parsing import DataResolver

    def create() -> Any:
        declared = parse_yaml((root / DAG).read_text(encoding="utf-8"))
        return DataResolver(repo, folder, declared)

    folder = str(root.resolve())
    repo = SimpleNamespace(fs=_FileSystem(folder, content), config={}, root_dir=folder)
    return _as_stage_error(root, create)


def _stage(root: Path, resolver: Any, name: str) -> StageSpec:
    """The stage `name`, as DVC's parser resolves it.

    Raises:
        StageError: the stage cannot be resolved, or has a form that Tandem does not support.
    """
    stage: StageSpec = _as_stage_error(
        root, lambda: _to_spec(name, resolver.resolve_one(name)[name])
    )
    return stage


def _to_spec(name: str, entry: Mapping[str, Any]) -> StageSpec:
    """The stage that a resolved entry of dvc.yaml declares, with paths relative to the root."""
    command, folder = entry["cmd"], entry.get("wdir", ".")
    outs = dict(_output(out) for key in OUTPUT_KEYS for out in entry.get(key, ()))
    cached = {path: options["cache"] for path, options in outs.items()}
    return StageSpec(
        name=name,
        command=command if isinstance(command, str) else "\n".join(command),
        deps=tuple(sorted({_in_root(folder, dep) for dep in entry.get("deps", ())})),
        params=tuple(
            sorted({key for item in entry.get("params", ()) for key in _keys(item, folder)})
        ),
        outs=tuple(sorted(_in_root(folder, out) for out in outs)),
        in_git=tuple(sorted(_in_root(folder, out) for out in outs if not cached[out])),
    )


def _in_root(folder: str, path: str) -> str:
    """Convert a path relative to `folder` to a path relative to the root; leave a URL unchanged."""
    return path if "://" in path else posixpath.normpath(posixpath.join(folder, path))


def _keys(item: Any, folder: str) -> Iterable[str]:
    """The keys of params.yaml in `item`, which is one key or a mapping of files to their keys.

    A key given without a file is looked up in params.yaml in the stage's folder.
    """
    files = item if isinstance(item, Mapping) else {str(PARAMS): (item,)}
    for file, keys in files.items():
        if _in_root(folder, file) == str(PARAMS):
            yield from keys or ()


def _output(out: Any) -> tuple[str, dict[str, Any]]:
    """The path and options of `out`, which is a path or a mapping of one path to its options."""
    if isinstance(out, str):
        return out, {"cache": True}
    ((path, options),) = out.items()
    return path, {"cache": True} | options


def _as_stage_error(root: Path, read: Callable[[], Any]) -> Any:
    """The result of `read`; any error that a malformed dvc.yaml can cause becomes a StageError."""
    from dvc.exceptions import DvcException

    try:
        return read()
    except (
        OSError, YAMLError, DvcException, AssertionError, AttributeError, LookupError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        problem = " ".join(str(error).split())
        raise StageError(
            f"{root / DAG} cannot be read: {problem}; fix the file, then run the command again"
        ) from None


class _FileSystem:
    """A stand-in for DVC's file system, with only the methods that DVC's parser calls.

    DVC's file system is based on fsspec, which is slow to import. The methods of this class handle
    local files. If `content` is given, it is read in place of params.yaml.
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
        """Open a file for reading."""
        if self.content is not None and os.path.abspath(path) == self.params:  # noqa: PTH100
            return StringIO(json.dumps(self.content))  # JSON is YAML
        return open(path, *args, **kwargs)  # noqa: PTH123

    @staticmethod
    def suffix(path: str) -> str:
        """The extension of a file name, which decides how the parser reads the file."""
        return os.path.splitext(path)[1]  # noqa: PTH122
