"""The record that a stage writes of its own run: what went in, what came out, by which code.

    reports/lineage/train/sentiment.json
      stage, command       as dvc.yaml has them
      inputs, outputs      SHA-256 beside DVC's MD5, size; of outputs each file too
      params, seed         the values of the declared keys
      sources              pinned data and weights among the params
      packages             locked versions of what the stage's code imports
      pins                 the variables that pin threads and instruction set, MKL's dispatch

A record is an output like any other: the same inputs give the same bytes, so no time and no host
is in it (`tandem.engines.cost` logs those). DVC hashes inputs after a command; here they are hashed
before it too, and a stage fails if an input changes while it runs.

The file is `[[record]]`, and dvc.yaml declares it as a plot: DVC saves a stage in its run cache
only if each output that Git carries is a metric or a plot, and finds nothing to draw in this form
(`tandem.core.io.details_bytes`).

The code that a stage runs is an input too, by its digests in workflow/code (`tandem code`). Here
they are compared with the files that Python imports, before and after the stage.
"""

import fnmatch
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel
from tandem.core.source_digest import source_digest
from tandem.patches import mkl

BLOCK = 1 << 20
PINNING = ("sha256", "revision")
"""What a mapping in params has that pins a source: the digest of a file, the commit of a hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
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
    def code(self) -> str:
        """The file with the digests of the code that the stage runs, if it depends on one."""
        return next((dep for dep in self.deps if dep.startswith(f"{paths.CODE}/")), "")


class StageCode(StrictModel):
    """The code that a stage runs, as a file of workflow/code holds it."""

    files: dict[str, str]
    """Path below src → SHA-256, for Python of the code without comments and docstrings."""
    packages: dict[str, str]
    """Package → its version in requirements.lock, of those that the files import."""


class Digest(StrictModel):
    """What lies at a path: a file, or a folder, whose digests are of the list of its files."""

    md5: str
    """As DVC has it, with `.dir` at the end for a folder."""
    sha256: str
    size: int
    nfiles: int | None = None
    files: dict[str, "Digest"] | None = None
    """By their names relative to the folder; only of outputs."""


class RunRecord(StrictModel):
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
def record_run(stage: StageSpec, runner: frozenset[str] = frozenset()) -> Iterator[None]:
    """Write the record of `stage`, whose work is the body.

    Args:
        stage: What dvc.yaml declares.
        runner: Modules of `tandem` that were imported before the stage's own module. They run the
            command and are not part of the stage.

    Raises:
        StageError: an input is missing, or changed while the body ran; the code is not the
            declared code; or other versions of packages are installed than are locked.
    """
    code = read_code(Path(stage.code)) if stage.code else StageCode(files={}, packages={})
    if stage.code:
        require_code(code, stage)
        check_installed(code.packages)
    marks = {path: _stat_fingerprint(Path(path)) for path in stage.deps}
    before = {path: digest(Path(path)) for path in stage.deps}
    values = _values(stage.params)
    yield
    if stage.code:
        require_covered(code, stage, runner)
    for path, known in before.items():
        if _stat_fingerprint(Path(path)) != marks[path] and digest(Path(path)) != known:
            raise StageError(f"{path} changed while {stage.name} ran: run again")
    if _values(stage.params) != values:
        raise StageError(f"{paths.PARAMS} changed while {stage.name} ran: run again")
    runtime = params.project().runtime
    record = RunRecord(
        stage=stage.name,
        command=stage.command,
        inputs=before,
        outputs={out: digest(Path(out), files=True) for out in stage.outs if out != stage.record},
        params=values,
        seed=runtime.seed,
        sources=list(find_pins(values)),
        packages=code.packages,
        pins=determinism.pins(runtime, mkl.in_force()),
    )
    if stage.record:
        with io.atomic_outputs(Path(stage.record)) as (partial,):
            io.write_details(partial, record.model_dump(exclude_none=True))


def digest(path: Path, files: bool = False) -> Digest:
    """The digest of a file, or of a folder, if asked for with its `files`.

    Raises:
        StageError: there is nothing at `path`.
    """
    io.require_exists(path)
    if path.is_file():
        return file_digest(path)
    return folder_digest(
        {str(f.relative_to(path)): file_digest(f) for f in list_files(path)}, files
    )


def file_digest(path: Path) -> Digest:
    """The digest of one file."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return Digest(md5=md5.hexdigest(), sha256=sha256.hexdigest(), size=size)


def bytes_digest(content: bytes) -> Digest:
    """The digest that a file with this content has."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Digest(md5=md5, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


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


def _stat_fingerprint(path: Path) -> list[tuple[str, int, int, int]]:
    """What shows, unread, that a file was written to: no program can set the time of its status."""
    files = [path] if path.is_file() else list_files(path)
    stats = [(str(file), file.stat()) for file in files]
    return [(name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats]


def list_files(folder: Path) -> list[Path]:
    """The files below `folder` that DVC sees, sorted."""
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_ignored(name)]
        found += [Path(here, name) for name in names if not is_ignored(name)]
    return sorted(found)


def is_ignored(name: str) -> bool:
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
    return {key: value_of_key(content, key) for key in keys}


def value_of_key(content: Any, key: str) -> Any:
    """What stands in nested mappings under a key with dots; None if nothing does."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def find_pins(value: Any) -> Iterator[dict[str, Any]]:
    """The pins inside params: whatever is held to a digest or a revision, without nested parts."""
    if isinstance(value, Mapping):
        if any(isinstance(value.get(key), str) for key in PINNING):
            yield {k: v for k, v in sorted(value.items()) if not isinstance(v, Mapping | list)}
        for key in sorted(value):
            yield from find_pins(value[key])
    elif isinstance(value, list):
        for part in value:
            yield from find_pins(part)


def read_code(path: Path) -> StageCode:
    """The content of a file of workflow/code.

    Raises:
        StageError: the file is missing or is not such a file.
    """
    io.require_exists(path)
    try:
        return StageCode.model_validate_json(path.read_bytes())
    except ValueError:
        raise StageError(f"{path} is damaged: remove it and run `dvc repro code`") from None


def require_code(code: StageCode, stage: StageSpec) -> None:
    """Raises StageError unless Python imports exactly the code whose digests `code` has."""
    folder = Path(__file__).parents[2]
    for name, digest in code.files.items():
        path = folder / name
        if not path.is_file() or source_digest(path) != digest:
            here = Path(paths.SOURCE, name)
            problem = f"{here} is not the code that {stage.code} describes"
            if here.exists() and not (path.exists() and here.samefile(path)):
                problem = f"Python imports {path} here, not {here}"
            raise StageError(
                f"{problem}: run `dvc repro` or `snakemake`, which update {paths.CODE}, in the "
                "environment of this folder"
            )


def require_covered(code: StageCode, stage: StageSpec, runner: frozenset[str]) -> None:
    """Raises StageError if the stage has imported a module of `tandem` that `code` lacks."""
    folder = Path(__file__).parents[2]
    for name in sorted(imported_modules() - runner):
        path = Path(str(sys.modules[name].__file__)).relative_to(folder).as_posix()
        if path not in code.files:
            raise StageError(
                f"{stage.name} imported {name}, which {stage.code} lacks: name the plug-in in "
                f"{paths.PARAMS}, or import it in a module that the stage imports"
            )


def imported_modules() -> frozenset[str]:
    """The modules of `tandem` that are imported now."""
    return frozenset(name for name in sys.modules if name.partition(".")[0] == "tandem")


def check_installed(packages: Mapping[str, str]) -> None:
    """Raises StageError unless these versions of packages are installed."""
    for name, version in packages.items():
        try:
            found = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found = "none"
        if found != version:
            raise StageError(
                f"{paths.REQUIREMENTS} asks for {name} {version}, {found} is installed: "
                "run `make setup`"
            )
