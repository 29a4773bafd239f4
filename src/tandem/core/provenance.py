"""The record that a stage writes of its own run: what went in, what came out, by which code.

    reports/lineage/train/sentiment.json
      stage, command       as dvc.yaml has them
      inputs, outputs      SHA-256 beside DVC's MD5, size; of outputs each file too
      params, seed         the values of the declared keys
      sources              pinned data and weights among the params
      packages             locked versions of what the stage's code imports
      pins                 the variables that pin threads and instruction set, MKL's dispatch

A record is an output like any other: the same inputs give the same bytes, so no time and no host
is in it (`tandem.cost` logs those). DVC hashes inputs after a command; here they are hashed before
too, and a stage whose input changed under its hands fails.
"""

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, mkl, params, paths
from tandem.core.errors import StageError
from tandem.core.params import Strict

BLOCK = 1 << 20
PINNING = ("sha256", "revision")
"""What a mapping in params has that pins a source: the digest of a file, the commit of a hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One stage of dvc.yaml; paths are as written there, relative to the root."""

    name: str
    command: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    """Keys of params.yaml."""
    outs: tuple[str, ...]
    """Metrics and plots too, and the stage's record."""
    in_git: tuple[str, ...]
    """Those of `outs` that Git carries, not DVC's cache."""

    @property
    def record(self) -> str:
        """Where the stage's record goes, if it declares one: reports/lineage/STAGE/REST.json."""
        return next((out for out in self.outs if out.startswith(f"{paths.RECORDS}/")), "")

    @property
    def packages(self) -> str:
        """The file with the locked versions of what the stage's code imports, if there is one."""
        return next((dep for dep in self.deps if dep.startswith(f"{paths.PACKAGES}/")), "")


class Digest(Strict):
    """What lies at a path: a file, or a folder, whose digests are of the list of its files."""

    md5: str
    """As DVC has it, with `.dir` at the end for a folder."""
    sha256: str
    size: int
    nfiles: int | None = None
    files: dict[str, "Digest"] | None = None
    """By their names relative to the folder; only of outputs."""


class Record(Strict):
    """What a stage wrote of its run."""

    stage: str
    command: str
    inputs: dict[str, Digest]
    outputs: dict[str, Digest]
    params: dict[str, Any]
    seed: int
    sources: list[dict[str, Any]]
    packages: dict[str, str]
    pins: dict[str, str]


@contextmanager
def recorded(stage: Declared) -> Iterator[None]:
    """Write the record of `stage`, whose work is the body.

    Raises:
        StageError: an input is missing, or changed while the body ran; or other versions are
            installed than are locked.
    """
    packages = installed(Path(stage.packages)) if stage.packages else {}
    marks = {path: _marks(Path(path)) for path in stage.deps}
    before = {path: digest(Path(path)) for path in stage.deps}
    values = _values(stage.params)
    yield
    for path, known in before.items():
        if _marks(Path(path)) != marks[path] and digest(Path(path)) != known:
            raise StageError(f"{path} changed while {stage.name} ran: run again")
    if _values(stage.params) != values:
        raise StageError(f"{paths.PARAMS} changed while {stage.name} ran: run again")
    runtime = params.project().runtime
    record = Record(
        stage=stage.name,
        command=stage.command,
        inputs=before,
        outputs={out: digest(Path(out), files=True) for out in stage.outs if out != stage.record},
        params=values,
        seed=runtime.seed,
        sources=list(pinned(values)),
        packages=packages,
        pins=determinism.pins(runtime, mkl.in_force()),
    )
    if stage.record:
        with io.writing(Path(stage.record)) as (partial,):
            io.write_json(partial, record.model_dump(exclude_none=True))


def digest(path: Path, files: bool = False) -> Digest:
    """The digest of a file, or of a folder, if asked for with its `files`.

    Raises:
        StageError: there is nothing at `path`.
    """
    io.require(path)
    if path.is_file():
        return file_digest(path)
    return folder_digest({str(f.relative_to(path)): file_digest(f) for f in listed(path)}, files)


def file_digest(path: Path) -> Digest:
    """The digest of one file."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return Digest(md5=md5.hexdigest(), sha256=sha256.hexdigest(), size=size)


def folder_digest(contents: Mapping[str, Digest], files: bool = False) -> Digest:
    """The digest of a folder by those of its files, whose names are relative to it.

    The list of files has the very form of which DVC takes its MD5 (`Tree` of dvc_data).
    """

    def of(kind: str) -> str:
        listed = [{kind: getattr(contents[n], kind), "relpath": n} for n in sorted(contents)]
        return hashlib.new(kind, json.dumps(listed, sort_keys=True).encode()).hexdigest()

    return Digest(
        md5=of("md5") + ".dir",
        sha256=of("sha256"),
        size=sum(each.size for each in contents.values()),
        nfiles=len(contents),
        files={name: contents[name] for name in sorted(contents)} if files else None,
    )


def _marks(path: Path) -> list[tuple[str, int, int, int]]:
    """What shows, unread, that a file was written to: no program can set the time of its status."""
    files = [path] if path.is_file() else listed(path)
    stats = [(str(file), file.stat()) for file in files]
    return [(name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats]


def listed(folder: Path) -> list[Path]:
    """The files below `folder` that DVC sees, sorted."""
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not ignored(name)]
        found += [Path(here, name) for name in names if not ignored(name)]
    return sorted(found)


def ignored(name: str) -> bool:
    """Whether .dvcignore, which holds plain names and patterns of names, leaves `name` out."""
    return _ignored(name, Path.cwd())


@cache
def _ignored(name: str, root: Path) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in _patterns(root))


@cache
def _patterns(root: Path) -> tuple[str, ...]:
    path = root / ".dvcignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return tuple(line for line in lines if line and not line.startswith("#"))


def _values(keys: tuple[str, ...]) -> dict[str, Any]:
    content = params.read()
    return {key: value_at(content, key) for key in keys}


def value_at(content: Any, key: str) -> Any:
    """What stands in nested mappings under a key with dots; None if nothing does."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def pinned(value: Any) -> Iterator[dict[str, Any]]:
    """The pins inside params: whatever is held to a digest or a revision, without nested parts."""
    if isinstance(value, Mapping):
        if any(isinstance(value.get(key), str) for key in PINNING):
            yield {k: v for k, v in sorted(value.items()) if not isinstance(v, Mapping | list)}
        for key in sorted(value):
            yield from pinned(value[key])
    elif isinstance(value, list):
        for part in value:
            yield from pinned(part)


def installed(locked: Path) -> dict[str, str]:
    """The versions in a file of workflow/packages, all of which are found installed.

    Raises:
        StageError: another version is installed, or none.
    """
    io.require(locked)
    wanted = dict(line.split("==") for line in locked.read_text(encoding="utf-8").split())
    for name, version in wanted.items():
        try:
            found = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found = "none"
        if found != version:
            raise StageError(
                f"{locked} asks for {name} {version}, {found} is installed: run `make setup`, "
                "or `tandem packages` after a change of requirements.lock"
            )
    return wanted
