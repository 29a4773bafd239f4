"""Patches that make DVC and some packages that it uses faster, without changing any output.

`python benchmarks/patches.py` measures how much time each patch saves. docs/engines.md lists the
figures.

    python -m tandem.patches.dvc …      the command `dvc` with these patches
"""

import functools
import gc
import io
import operator
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.patches import applies

TESTED = {
    "dvc": ("3.67.1",),
    "dulwich": ("1.2.21",),
    "ruamel.yaml": ("0.19.1",),
    "voluptuous": ("0.16.0",),
}
HEADER = "schema: '2.0'\nstages:\n"
"""The start of each dvc.lock that DVC writes."""
ENTRY_START = re.compile(r"^  \S", re.MULTILINE)
FOREIGN_LINE = re.compile(r"\n(?!  |\Z)")
"""A line after `HEADER` that belongs to no stage; DVC writes no such line."""
ONE_PATH = re.compile(rb"/[\w.@+-]+")
"""A line of a .gitignore that names one path in the folder of that .gitignore."""


def tested() -> bool:
    """Whether the patches were tested with the installed versions of the packages."""
    return all(applies(package, versions) for package, versions in TESTED.items())


def main() -> int:
    """Run the command `dvc` with these patches; return its exit code."""
    from dvc.cli import main as run_dvc

    patch()
    gc.disable()  # there is little garbage: DVC keeps the data that it reads until it exits
    return int(run_dvc(sys.argv[1:]))


def patch() -> None:
    """Apply all patches in this process, if they were tested with the installed versions."""
    _apply(PATCHES)


def patch_planning() -> None:
    """Apply the patches that speed up planning: those for reading params and compiling schemas."""
    _apply(PLANNING_PATCHES)


def _apply(patches: Sequence[Callable[[], None]]) -> None:
    if tested():
        for apply in patches:
            if apply not in _applied:
                apply()
                _applied.add(apply)


def changed_stages(repo: Any, stages: Iterable[Any]) -> set[Any]:
    """The stages in `stages` that are not up to date with dvc.lock.

    DVC's `Stage.status` locks the files of one stage for reading, and rewrites the `rwlock` file
    each time. This function locks the files of all stages at once.

    Raises:
        LockError: another command is writing one of the files.
    """
    stages = list(stages)
    if not stages:
        return set()
    if not tested():
        return {stage for stage in stages if stage.status()}
    with _read_lock(repo, stages):
        return {stage for stage in stages if type(stage).status.__wrapped__(stage)}


@contextmanager
def _read_lock(repo: Any, stages: Sequence[Any]) -> Iterator[None]:
    """Hold DVC's read lock on all dependencies and outputs of `stages`."""
    from dvc.rwlock import rwlock

    paths = {item.fs_path for stage in stages for item in (*stage.deps, *stage.outs)}
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), sorted(paths), [], hardlink):
        yield


def compile_schemas_once() -> None:
    """Cache compiled schemas: DVC itself compiles the same schema again for every stage."""
    from dvc import schema

    schema.vol = _CachingVoluptuous(schema.vol)


class _CachingVoluptuous:
    """Wraps `voluptuous` so that `Schema` compiles each schema in `dvc.schema` only once."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._schemas: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def Schema(self, schema: Any, *args: Any, **options: Any) -> Any:  # noqa: N802
        if args or options:
            return self._module.Schema(schema, *args, **options)
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = self._module.Schema(schema)
        return self._schemas[id(schema)]


def poll_locks() -> None:
    """Poll DVC's lock 50 times per second instead of twice per second."""
    from dvc import lock

    lock.DEFAULT_TIMEOUT = 0.12  # seconds for six attempts to take the lock


def write_one_entry() -> None:
    """When a stage has run, replace only the text of its entry in dvc.lock.

    DVC itself parses the whole file, including comments, and rewrites all of it.
    """
    from dvc.dvcfile import Lockfile
    from dvc.stage import serialize

    dump_all = Lockfile.dump_stages

    def dump_stages(lock: Any, stages: Any, **options: Any) -> None:
        path = Path(lock.path)
        old = text = path.read_text(encoding="utf-8") if path.exists() else ""
        for stage in stages:
            text = replace_entry(text, serialize.to_lockfile(stage, **options))
            if not text:
                dump_all(lock, stages, **options)
                return
        if text != old:
            path.write_text(text, encoding="utf-8")
            lock.repo.scm_context.track_file(lock.relpath)

    Lockfile.dump_stages = dump_stages


def replace_entry(text: str, entry: Mapping[str, Any]) -> str:
    """Replace one stage's entry in the text of a dvc.lock, or append it.

    Args:
        text: The content of dvc.lock; may be empty.
        entry: The stage's name → the content of its entry.

    Returns:
        The new text of dvc.lock; empty if `text` is not in the form that DVC writes.
    """
    from dvc.utils.serialize._yaml import _dump

    text = text or HEADER
    stream = io.StringIO()
    _dump({"schema": "2.0", "stages": dict(entry)}, stream)
    new = stream.getvalue().removeprefix(HEADER)
    span = _entry_span(text, new[: new.index("\n") + 1])
    if span is None:
        return ""
    start, end = span
    return text[:start] + new + text[end:]


def lock_entry(text: str, title: str) -> str | None:
    """The entry whose first line is `title` in the text of a dvc.lock; empty if there is none.

    The result is None if `text` is not in the form that DVC writes.
    """
    span = _entry_span(text or HEADER, title)
    return None if span is None else text[slice(*span)]


def entry_title(name: str) -> str:
    """The first line of a stage's entry in dvc.lock, with quotes where YAML requires them."""
    text = replace_entry("", {name: {"cmd": ""}}).removeprefix(HEADER)
    return text[: text.index("\n") + 1]


def has_dvc_form(text: str) -> bool:
    """Whether a dvc.lock is in the form that DVC writes: each line belongs to one stage's entry."""
    is_whole = text.startswith(HEADER) and text.endswith("\n")
    return is_whole and not FOREIGN_LINE.search(text, len(HEADER) - 1)


def _entry_span(text: str, title: str) -> tuple[int, int] | None:
    """Start and end of the entry whose first line is `title`.

    If there is no such entry, start and end are `len(text)`. If `text` is not in the form that DVC
    writes, the result is None.
    """
    if not has_dvc_form(text):
        return None
    start = text.find("\n" + title, len(HEADER) - 1) + 1
    if not start:
        return len(text), len(text)
    next_entry = ENTRY_START.search(text, start + len(title))
    return start, next_entry.start() if next_entry else len(text)


@dataclass(frozen=True)
class _ExactPath:
    """Replaces dulwich's regular expression for a .gitignore line that names exactly one path."""

    name: bytes

    def match(self, path: bytes) -> bool:
        return path.removesuffix(b"/") == self.name


def compare_ignored_paths() -> None:
    """Use string comparison for .gitignore lines that name one path, such as those that DVC writes.

    Without this patch, DVC compiles each line of the .gitignore files in an output's folder and its
    parent folders into two regular expressions, and repeats this for each output.
    """
    from dulwich.ignore import Pattern

    compile_line = Pattern.__init__

    def init(self: Pattern, pattern: bytes, ignorecase: bool = False) -> None:
        if ignorecase or not ONE_PATH.fullmatch(pattern):
            compile_line(self, pattern, ignorecase)
            return
        self.pattern, self.ignorecase, self.is_exclude = pattern, False, True
        self.is_directory_only = self.is_empty = self._describes_contents = False
        self._re = self._name_re = _ExactPath(pattern[1:])  # type: ignore[assignment]

    Pattern.__init__ = init  # type: ignore[method-assign]


@contextmanager
def lock_reader(read: Callable[[Any], dict[str, Any]]) -> Iterator[None]:
    """Make DVC read each dvc.lock with `read`, whose argument is DVC's `Lockfile` object.

    If the patches were not tested with the installed versions, DVC reads the files itself.
    """
    from dvc.dvcfile import Lockfile

    if not tested():
        yield
        return
    load = Lockfile.load
    Lockfile.load = lambda lockfile, **_options: read(lockfile)
    try:
        yield
    finally:
        Lockfile.load = load


def parse_params_once() -> None:
    """Parse a params file again only after it has changed, and look up its keys directly.

    DVC itself parses the file again for each stage.
    """
    from dvc.dependency import param

    load, read_param_file = param.load_path, param.read_param_file
    parsed: dict[tuple[str, str], Any] = {}

    def load_once(path: str, fs: Any) -> Any:
        with fs.open(path, encoding="utf-8") as file:
            key = path, file.read()
        if key not in parsed:
            parsed[key] = load(path, fs)
        return parsed[key]

    def read_params(
        fs: Any, path: str, keys: Sequence[str] | None = None, flatten: bool = False
    ) -> Any:
        if not keys or not flatten:
            return read_param_file(fs, path, keys, flatten)
        content, values = load_once(path, fs), {}
        for key in keys:
            try:
                values[key] = functools.reduce(operator.getitem, key.split("."), content)
            except KeyError:  # DVC reports the key as missing
                continue
            except TypeError:  # a part of the key is an index in a list
                return read_param_file(fs, path, keys, flatten)
        return values

    param.read_param_file = read_params


PLANNING_PATCHES = (compile_schemas_once, parse_params_once)
PATCHES = (*PLANNING_PATCHES, compare_ignored_paths, poll_locks, write_one_entry)
_applied: set[Callable[[], None]] = set()


if __name__ == "__main__":
    sys.exit(main())
