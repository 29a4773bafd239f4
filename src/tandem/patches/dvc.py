"""Patches of DVC and what it uses: the same results and bytes in less time. All are optional.

They apply only to the versions that they were tested with; another version costs time, nothing
else. `python benchmarks/patches.py` measures what each one saves; docs/engines.md has the figures.

`python -m tandem.patches.dvc …` is the command `dvc` with these patches.
"""

import functools
import io
import operator
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

TESTED = {"dvc": "3.67.1", "dulwich": "1.2.21", "ruamel.yaml": "0.19.1", "voluptuous": "0.16.0"}
HEAD = "schema: '2.0'\nstages:\n"
ENTRY = re.compile(r"^  \S", re.MULTILINE)
OTHER = re.compile(r"\n(?!  |\Z)")
"""What DVC does not write in dvc.lock after `HEAD`: a line that belongs to no stage."""
ONE_PATH = re.compile(rb"/[\w.@+-]+")
"""A line of a .gitignore that names one path in its folder."""


@cache
def tested() -> bool:
    """Whether the installed versions are those that the patches were tested with."""
    return all(metadata.version(name) == version for name, version in TESTED.items())


def main() -> int:
    """The command `dvc`, patched."""
    from dvc.cli import main as dvc

    from tandem.core.io import gc_paused

    patch()
    with gc_paused():  # what DVC reads it keeps to its end
        return int(dvc(sys.argv[1:]))


def patch() -> None:
    """Apply all patches in this process, if the versions are tested."""
    _apply(PATCHES)


def patch_reading() -> None:
    """Apply the patches of what planning does: reading params and schemas."""
    _apply(READING)


def _apply(patches: Sequence[Callable[[], None]]) -> None:
    if tested():
        for apply in patches:
            if apply not in _applied:
                apply()
                _applied.add(apply)


def compile_schemas_once() -> None:
    """Keep compiled schemas: voluptuous compiles the schema of a stage again for each stage."""
    from dvc import schema

    schema.vol = _CompiledOnce(schema.vol)


class _CompiledOnce:
    """voluptuous, with `Schema` compiling each of the constants of dvc.schema once."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._schemas: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def Schema(self, schema: Any, *options: Any, **named: Any) -> Any:  # noqa: N802
        if options or named:
            return self._module.Schema(schema, *options, **named)
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = self._module.Schema(schema)
        return self._schemas[id(schema)]


def poll_locks() -> None:
    """Check fifty times a second, not twice, whether DVC's lock is free."""
    from dvc import lock as locks

    locks.DEFAULT_TIMEOUT = 0.12  # seconds for six attempts


def write_one_entry() -> None:
    """After a stage, replace the text of its entry in dvc.lock.

    DVC parses all of dvc.lock with its comments and writes all of it.
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
    """The dvc.lock `text` with the stage in `entry`, name → content, in its place or at the end.

    Empty if `text` is not a dvc.lock as DVC writes it, with stages and nothing else.
    """
    from dvc.utils.serialize._yaml import _dump

    text = text or HEAD
    stream = io.StringIO()
    _dump({"schema": "2.0", "stages": dict(entry)}, stream)
    new = stream.getvalue().removeprefix(HEAD)
    place = _place(text, new[: new.index("\n") + 1])
    if place is None:
        return ""
    start, end = place
    return text[:start] + new + text[end:]


def lock_entry(text: str, title: str) -> str | None:
    """The entry with this title in the dvc.lock `text`; None if DVC has not written the text."""
    place = _place(text or HEAD, title)
    return None if place is None else text[slice(*place)]


def entry_title(name: str) -> str:
    """The first line of a stage's entry in dvc.lock, quoted where YAML needs it."""
    text = replace_entry("", {name: {"cmd": ""}}).removeprefix(HEAD)
    return text[: text.index("\n") + 1]


def _place(text: str, title: str) -> tuple[int, int] | None:
    """Start and end of the entry with this title, both the end of `text` if there is none.

    None if `text` is not as DVC writes it.
    """
    if not text.startswith(HEAD) or not text.endswith("\n") or OTHER.search(text, len(HEAD) - 1):
        return None
    start = text.find("\n" + title, len(HEAD) - 1) + 1
    if not start:
        return len(text), len(text)
    after = ENTRY.search(text, start + len(title))
    return start, after.start() if after else len(text)


@dataclass(frozen=True)
class _Same:
    """Stands for the regular expression that dulwich makes of a line that names one path."""

    name: bytes

    def match(self, path: bytes) -> bool:
        return path.removesuffix(b"/") == self.name


def compare_ignored_paths() -> None:
    """Compare the lines of .gitignore that name one path, as DVC writes them.

    For each output, DVC compiles all lines next to it and above it into two regular expressions.
    """
    from dulwich.ignore import Pattern

    compiled = Pattern.__init__

    def compared(self: Pattern, pattern: bytes, ignorecase: bool = False) -> None:
        if ignorecase or not ONE_PATH.fullmatch(pattern):
            compiled(self, pattern, ignorecase)
            return
        self.pattern, self.ignorecase, self.is_exclude = pattern, False, True
        self.is_directory_only = self.is_empty = self._describes_contents = False
        self._re = self._name_re = _Same(pattern[1:])  # type: ignore[assignment]

    Pattern.__init__ = compared  # type: ignore[method-assign]


def parse_params_once() -> None:
    """Parse a params file once per content, and find a key by a walk instead of a search.

    DVC parses it for each stage.
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
            except KeyError:  # DVC reports it as missing
                continue
            except TypeError:  # it is inside a list
                return read_param_file(fs, path, keys, flatten)
        return values

    param.read_param_file = read_params


READING = (compile_schemas_once, parse_params_once)
PATCHES = (*READING, compare_ignored_paths, poll_locks, write_one_entry)
_applied: set[Callable[[], None]] = set()


if __name__ == "__main__":
    sys.exit(main())
