"""The record that a stage writes of its own run: inputs, outputs and code.

    reports/lineage/train/sentiment.json
      stage, command       as in dvc.yaml
      inputs, outputs      SHA-256, DVC's MD5 and size; for output folders, also those of each file
      params, seed         the values of the declared keys
      sources              the params that pin data and weights
      packages             locked versions of the packages that the stage's code imports
      pins                 environment variables for threads and instruction set; MKL's CPU dispatch

A record is an output like any other: the same inputs give the same bytes. So a record contains
neither the duration of the run nor a fingerprint of the machine; `tandem.engines.cost` logs both.
DVC records the hashes of a stage's inputs after the stage's command has run. This module also
hashes the inputs before the stage runs, and the stage fails if an input changes during the run.

A record's file has the form `[[record]]` (`tandem.core.io.details_bytes`), and dvc.yaml declares
it as a plot. DVC saves a stage in its run cache only if each output that Git tracks is a metric or
a plot. DVC draws nothing for a file of the form `[[record]]`.

The code that a stage runs is also an input, in the form of digests in workflow/code, which
`tandem code` writes. Before the stage runs, these digests are compared with the files that Python
would import. After the stage has run, all `tandem` modules that it imported must be listed in
workflow/code.
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
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths
from tandem.core.errors import StageError
from tandem.core.schema import StrictModel
from tandem.core.source_digest import source_digest
from tandem.patches import installed_version, mkl

BLOCK = 1 << 20
"""Number of bytes read at a time for hashing."""
PINNING = ("sha256", "revision")
"""Keys that pin a source in params: the SHA-256 of a file, or the commit of a repository on the
Hugging Face Hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpec:
    """One stage of dvc.yaml; paths are relative to the project's root, as in dvc.yaml."""

    name: str
    command: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    """Keys of params.yaml; Tandem's stages read no other params file."""
    outs: tuple[str, ...]
    """All outputs, including metrics, plots and the stage's record."""
    in_git: tuple[str, ...]
    """The outputs in `outs` that are stored in Git, not in DVC's cache."""

    @property
    def record(self) -> str:
        """The path of the stage's record in reports/lineage; empty if the stage has no record."""
        return next((out for out in self.outs if out.startswith(f"{paths.RECORDS}/")), "")

    @property
    def code(self) -> str:
        """The path of the stage's input in workflow/code; empty if there is no such input."""
        return next((dep for dep in self.deps if dep.startswith(f"{paths.CODE}/")), "")


class StageCode(StrictModel):
    """The code that a stage runs: the content of a file in workflow/code."""

    files: dict[str, str]
    """Path of a file relative to src → its SHA-256, which ignores comments and docstrings in Python
    files."""
    packages: dict[str, str]
    """Package that the files import → its version in requirements.lock."""


class Digest(StrictModel):
    """Digests of a file, or of a folder's list of files."""

    md5: str
    """DVC's digest; ends in `.dir` for a folder."""
    sha256: str
    size: int
    nfiles: int | None = None
    files: dict[str, "Digest"] | None = None
    """Path of a file relative to the folder → its digests; only for output folders."""


class RunRecord(StrictModel):
    """The content of a run record."""

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
    """Run the body of the `with` statement as the stage, and write the stage's record.

    Args:
        stage: The stage, as dvc.yaml declares it.
        runner: Modules of `tandem` that were imported before the stage's own module. These modules
            run the command and are not part of the stage.

    Raises:
        StageError: an input is missing or changed during the run; the imported code is not the
            code that workflow/code describes; or a package is not installed in its locked version.
    """
    # Before the stage: check code and packages, hash the inputs.
    code = read_code(Path(stage.code)) if stage.code else StageCode(files={}, packages={})
    if stage.code:
        require_code(code, stage)
        check_installed(code.packages)
    fingerprints = {path: _stat_fingerprint(Path(path)) for path in stage.deps}
    inputs = {path: digest(Path(path)) for path in stage.deps}
    values = _values(stage.params)

    yield

    # After the stage: check that it has imported only declared code and that no input has changed.
    if stage.code:
        require_covered(code, stage, runner)
    for path, before in inputs.items():
        if _stat_fingerprint(Path(path)) != fingerprints[path] and digest(Path(path)) != before:
            raise StageError(f"{path} changed while {stage.name} ran: run the command again")
    if _values(stage.params) != values:
        raise StageError(f"{paths.PARAMS} changed while {stage.name} ran: run the command again")

    runtime = params.project().runtime
    record = RunRecord(
        stage=stage.name,
        command=stage.command,
        inputs=inputs,
        outputs={out: digest(Path(out), files=True) for out in stage.outs if out != stage.record},
        params=values,
        seed=runtime.seed,
        sources=list(find_pins(values)),
        packages=code.packages,
        pins=determinism.pins(runtime, mkl.current_dispatch()),
    )
    if stage.record:
        with io.atomic_outputs(Path(stage.record)) as (partial,):
            io.write_details(partial, record.model_dump(exclude_none=True))


def digest(path: Path, files: bool = False) -> Digest:
    """The digest of a file or a folder.

    Args:
        path: The file or folder.
        files: Whether the digest of a folder includes the digests of its files.

    Raises:
        StageError: `path` does not exist.
    """
    io.require_exists(path)
    if path.is_file():
        return file_digest(path)
    contents = {str(file.relative_to(path)): file_digest(file) for file in list_files(path)}
    return folder_digest(contents, files)


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
    """The digest of a file that contains `content`."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Digest(md5=md5, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def folder_digest(contents: Mapping[str, Digest], files: bool = False) -> Digest:
    """The digest of a folder.

    The list of files is serialized as in DVC (`Tree` of dvc_data) and then hashed.

    Args:
        contents: Path relative to the folder → digest of the file.
        files: Whether the result lists the digests of the files.
    """

    def list_digest(algorithm: str) -> str:
        entries = [
            {algorithm: getattr(contents[name], algorithm), "relpath": name}
            for name in sorted(contents)
        ]
        return hashlib.new(algorithm, json.dumps(entries, sort_keys=True).encode()).hexdigest()

    return Digest(
        md5=list_digest("md5") + ".dir",
        sha256=list_digest("sha256"),
        size=sum(file.size for file in contents.values()),
        nfiles=len(contents),
        files={name: contents[name] for name in sorted(contents)} if files else None,
    )


def _stat_fingerprint(path: Path) -> list[tuple[str, int, int, int]]:
    """A fingerprint from `stat` alone: every write changes the ctime, which no program can set."""
    files = [path] if path.is_file() else list_files(path)
    stats = [(str(file), file.stat()) for file in files]
    return [(name, stat.st_ino, stat.st_size, stat.st_ctime_ns) for name, stat in stats]


def list_files(folder: Path) -> list[Path]:
    """The files below `folder` that DVC does not ignore, sorted."""
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_ignored(name)]
        files += [Path(parent, name) for name in names if not is_ignored(name)]
    return sorted(files)


def is_ignored(name: str) -> bool:
    """Whether a name or pattern in the current folder's .dvcignore excludes `name`."""
    return _ignored(name, Path.cwd())


@cache
def _ignored(name: str, root: Path) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in _patterns(root))


@cache
def _patterns(root: Path) -> tuple[str, ...]:
    """The patterns in `root`/.dvcignore: its lines, except comments and empty lines."""
    path = root / ".dvcignore"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return tuple(line for line in lines if line and not line.startswith("#"))


def _values(keys: tuple[str, ...]) -> dict[str, Any]:
    """The values of `keys` in params.yaml."""
    content = params.read()
    return {key: value_of_key(content, key) for key in keys}


def value_of_key(content: Any, key: str) -> Any:
    """The value of a dotted key in nested mappings; None if the key is missing."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def all_strings(value: Any) -> Iterator[str]:
    """All strings in nested params, including keys."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from all_strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from all_strings(item)
    elif isinstance(value, str):
        yield value


def find_pins(value: Any) -> Iterator[dict[str, Any]]:
    """The pinned sources in params: mappings with a key in `PINNING`, without nested values."""
    if isinstance(value, Mapping):
        if any(isinstance(value.get(key), str) for key in PINNING):
            yield {k: v for k, v in sorted(value.items()) if not isinstance(v, Mapping | list)}
        for key in sorted(value):
            yield from find_pins(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from find_pins(item)


def read_code(path: Path) -> StageCode:
    """Read a file in workflow/code.

    Raises:
        StageError: the file is missing or damaged.
    """
    io.require_exists(path)
    try:
        return StageCode.model_validate_json(path.read_bytes())
    except ValueError:
        raise StageError(f"{path} is damaged: remove it and run `dvc repro code`") from None


def require_code(code: StageCode, stage: StageSpec) -> None:
    """Raise StageError unless Python imports the code that `code` describes."""
    folder = Path(__file__).parents[2]
    for name, digest in code.files.items():
        path = folder / name
        if not path.is_file() or source_digest(path) != digest:
            expected = Path(paths.SOURCE, name)
            problem = f"{expected} is missing or does not match its digest in {stage.code}"
            if expected.exists() and not (path.exists() and expected.samefile(path)):
                problem = f"Python imports {path}, not {expected}"
            raise StageError(
                f"{problem}: activate this clone's Python environment, then run `dvc repro` or "
                f"`snakemake`, which update {paths.CODE}"
            )


def require_covered(code: StageCode, stage: StageSpec, runner: frozenset[str]) -> None:
    """Raise StageError if the stage has imported a module of `tandem` that `code` does not list."""
    folder = Path(__file__).parents[2]
    paths_of = {
        name: Path(str(sys.modules[name].__file__)).relative_to(folder).as_posix()
        for name in sorted(imported_modules() - runner)
    }
    missing = [name for name, path in paths_of.items() if path not in code.files]
    if not missing:
        return
    # If the params name an unlisted plug-in, they were edited after `tandem code` ran.
    named = {*stage.command.split(), *all_strings(_values(stage.params))}
    plugin = next((name for name in missing if name.rpartition(".")[2] in named), None)
    if plugin:
        raise StageError(
            f"{stage.name} imported {plugin}, which {stage.code} does not list, because "
            f"{paths.PARAMS} was changed after {stage.code} was written: run `dvc repro` or "
            f"`snakemake`, which update {paths.CODE}, or run `tandem code` before the stage"
        )
    raise StageError(
        f"{stage.name} imported {missing[0]}, which {stage.code} does not list: if it is a "
        f"plug-in, add its name to {paths.PARAMS}; otherwise import it in a module that the stage "
        "imports"
    )


def imported_modules() -> frozenset[str]:
    """The modules of `tandem` that this process has imported."""
    return frozenset(name for name in sys.modules if name.partition(".")[0] == "tandem")


def check_installed(packages: Mapping[str, str]) -> None:
    """Raise StageError unless each package is installed in the given version."""
    for name, version in packages.items():
        installed = installed_version(name) or "none"
        if installed != version:
            raise StageError(
                f"{paths.REQUIREMENTS} has {name} {version}, but {installed} is installed: "
                "run `make setup`"
            )
