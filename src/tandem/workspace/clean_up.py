"""`tandem clean-up` removes what no longer belongs to any stage of dvc.yaml.

tandem clean-up           list it, ask, remove it
tandem clean-up --yes     do not ask
tandem clean-up --json    the same as an object, described by docs/schemas/clean-up.json; never asks

After a task, a method or a stage has been removed from params.yaml or dvc.yaml, dvc.lock and the
records in reports/lineage still name it. The command removes its entry in dvc.lock, its outputs,
its record, lines of .gitignore that DVC wrote for its outputs, and entries of dvc.yaml's
`artifacts` whose path no stage makes.

A file is removed only if dvc.lock or the record of a removed stage names it as an output, and its
content is still what the stage wrote. What a stage or a .dvc file now owns, what a stage reads, and
what a person added or edited is kept and listed. DVC's cache and remote are not touched: `dvc gc`
removes from those.
"""

import hashlib
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from dvc import dvcfile
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.rwlock import rwlock
from dvc.utils.serialize._yaml import _dump
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import LineageError, StageError
from tandem.core.provenance import is_ignored
from tandem.engines import locks, stage_server
from tandem.engines import plan as planning
from tandem.lineage import graph as lineage
from tandem.lineage.revisions import git
from tandem.patches import dvc
from tandem.workspace.read_only import read_only_repo

MARK = ".snakemake_timestamp"
"""The file that Snakemake writes into each output folder; it is removed with the folder."""
LONG = 500_000_000
"""Number of bytes that take about a second to read."""
SHOWN = 20
"""Maximum number of kept paths that are printed; `--json` lists all."""
Marks = tuple[int, int, int, int]
"""File metadata that reveals a write without reading the file."""


@dataclass(frozen=True)
class Removal:
    """The files of a removed stage's output that may be removed."""

    path: str
    stage: str
    files: Mapping[Path, Marks]
    copy: str
    """Where another copy is: `cache`, `git` or `none`."""

    @property
    def size(self) -> int:
        """Size of its files in bytes."""
        return sum(size for _, size, _, _ in self.files.values())


@dataclass(frozen=True)
class Kept:
    """A path that belonged to a removed stage but is kept, and the reason."""

    path: str
    reason: str


@dataclass
class Plan:
    """What is to be removed, and what is kept."""

    owners: "_Owners"
    """What the stages wrote and read when the plan was made."""
    read: Mapping[Path, bytes]
    """The content of the files to be edited, as it was then."""
    entries: list[str] = field(default_factory=list)
    """Stages that have an entry in dvc.lock and are not in dvc.yaml."""
    removals: list[Removal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Outputs with a line of their own in the .gitignore next to them."""
    artifacts: list[str] = field(default_factory=list)
    """Names in dvc.yaml's `artifacts`."""
    kept: list[Kept] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.removals or self.ignored or self.artifacts)

    @property
    def size(self) -> int:
        """Size of all files to be removed, in bytes."""
        return sum(removal.size for removal in self.removals)

    def as_json(self, removed: bool) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "removed": removed,
            "stages": self.entries,
            "outputs": [
                {
                    "path": removal.path,
                    "stage": removal.stage,
                    "files": len(removal.files),
                    "size": removal.size,
                    "copy": removal.copy,
                }
                for removal in self.removals
            ],
            "gitignore": self.ignored,
            "artifacts": self.artifacts,
            "kept": [{"path": kept.path, "reason": kept.reason} for kept in self.kept],
        }


def main(yes: bool, as_json: bool) -> int:
    """List what no stage owns, and remove it if `yes` is set or the user agrees.

    Returns:
        0 if nothing is left to remove, 1 if something was listed but not removed.

    Raises:
        StageError: dvc.yaml or dvc.lock cannot be read, or another command is running here.
    """
    plan = examine()
    if not as_json:
        print("\n".join(lines(plan)))
    agreed = bool(plan) and (yes or (not as_json and _agreed()))
    if agreed:
        kept = remove(plan)
        plan.kept += kept
    if as_json:
        print(json.dumps(plan.as_json(agreed), ensure_ascii=False, indent=2))
    elif agreed:
        print(_removed(plan))
    return int(bool(plan) and not agreed)


def _agreed() -> bool:
    """Whether a user at a terminal agrees."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return input("Remove all this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


# The plan


def examine() -> Plan:
    """What can be removed from the project in this folder; nothing is written.

    Raises:
        StageError: dvc.yaml or dvc.lock cannot be read.
    """
    with io.gc_paused(), read_only_repo() as repo:
        try:
            plan = Plan(_Owners.of(repo), _contents())
            artifacts = dvcfile.ProjectFile(repo, str(Path(repo.root_dir, paths.DAG))).artifacts
        except DvcException as error:
            problem = " ".join(str(error).split())
            raise StageError(f"DVC cannot read the pipeline: {problem}") from error
        cache = Path(repo.cache.local.path)
    outputs = _Outputs(plan.owners, cache)
    plan.entries = outputs.read_lock(plan.read.get(paths.LOCK, b""))
    outputs.read_records()
    _announce(outputs.known)
    for path, output in sorted(outputs.known.items()):
        removal, kept = _examine_output(path, output, plan.owners, cache)
        plan.removals += [removal] if removal else []
        plan.kept += kept
    if any(removal.copy == "none" for removal in plan.removals):
        tracked = _tracked()
        plan.removals = [_found_in_git(removal, tracked) for removal in plan.removals]
    removed = {file for removal in plan.removals for file in removal.files}
    for path in sorted(outputs.known):
        if not plan.owners.owner(path) and not _remains(path, removed) and _ignore_line(path):
            plan.ignored.append(path)
    for name, artifact in artifacts.items():
        path = os.path.normpath((artifact or {}).get("path", ""))
        if path != "." and not plan.owners.overlapping(path) and not _remains(path, removed):
            plan.artifacts.append(name)
    return plan


def _found_in_git(removal: Removal, tracked: frozenset[str]) -> Removal:
    """The removal, with `git` as its copy if there is no other and Git tracks all of its files."""
    files = {str(file) for file in removal.files if file.name != MARK}
    is_there = removal.copy == "none" and files <= tracked
    return replace(removal, copy="git") if is_there else removal


def _tracked() -> frozenset[str]:
    """The files that Git tracks in this folder."""
    try:
        listed = git("ls-files", "-z").decode(errors="replace")
    except LineageError:  # there is no Git here
        return frozenset()
    return frozenset(listed.split("\0"))


def _announce(outputs: Iterable[str]) -> None:
    """Tell a user at a terminal that files are being read, if that takes seconds."""
    files = [file for path in outputs for file in [Path(path), *_files(Path(path))]]
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size > LONG and sys.stderr.isatty():
        print(f"tandem: reading {shown(size)}, to compare it with the records", file=sys.stderr)


def _contents() -> dict[Path, bytes]:
    """The files that are edited."""
    return {path: path.read_bytes() for path in (paths.DAG, paths.LOCK) if path.exists()}


@dataclass(frozen=True)
class _Owners:
    """Which stages and .dvc files write and read which paths, according to DVC's index."""

    names: frozenset[str]
    """The stages of the root's dvc.yaml."""
    everywhere: frozenset[str]
    """The same, including those of each dvc.yaml in a subfolder."""
    makers: Mapping[str, str]
    readers: Mapping[str, str]

    @classmethod
    def of(cls, repo: Any) -> "_Owners":
        """The owners as they are now."""
        root, stages = str(repo.root_dir), list(repo.index.stages)
        commands = [stage for stage in stages if stage.cmd]
        in_root = str(Path(root, paths.DAG))
        return cls(
            names=frozenset(stage.name for stage in commands if stage.path == in_root),
            everywhere=frozenset(stage.name for stage in commands),
            makers={planning.path_of(out, root): s.addressing for s in stages for out in s.outs},
            readers=dict(_read_by(stages, root)),
        )

    def owner(self, path: str) -> str:
        """Why a path must not be removed: what writes or reads it now; empty if nothing does."""
        for out, name in self.makers.items():
            if f"{path}/".startswith(f"{out}/"):
                return f"{name} tracks it" if name.endswith(".dvc") else f"{name} makes it"
        for dep, name in self.readers.items():
            if f"{dep}/".startswith(f"{path}/"):
                made = any(paths.overlap(dep, out) for out in self.makers)
                if not made:
                    return f"{name} reads {dep}"
        return ""

    def overlapping(self, path: str) -> bool:
        """Whether a path is an output, or is inside or around one."""
        return any(paths.overlap(path, out) for out in self.makers)

    def below(self, path: str) -> list[str]:
        """The outputs inside a folder."""
        return [out for out in self.makers if out.startswith(f"{path}/")]


def _read_by(stages: Iterable[Any], root: str) -> Iterator[tuple[str, str]]:
    """Each path that a stage reads, including params and `vars` files, and the stage's name."""
    for stage in stages:
        for dep in stage.deps:
            if dep.protocol == "local" and dep.fs_path:
                yield planning.path_of(dep, root), stage.addressing
        for file in stage_server.defining_files(stage) if stage.cmd else ():
            yield os.path.relpath(file, root), stage.addressing


@dataclass
class _Output:
    """What is known about an output of a removed stage."""

    stage: str
    hashes: set[str] = field(default_factory=set)
    """MD5 of the file, or of DVC's list of the folder's files, as recorded."""
    files: dict[str, set[str]] = field(default_factory=dict)
    """For a folder, name → recorded MD5s."""
    verified: bool = False
    """Whether the content is known to be a removed stage's without comparing hashes."""


class _Outputs:
    """The outputs of removed stages by path, from dvc.lock and the records."""

    def __init__(self, owners: _Owners, cache: Path) -> None:
        self.owners, self.cache = owners, cache
        self.known: dict[str, _Output] = {}

    def read_lock(self, content: bytes) -> list[str]:
        """Add the outputs in dvc.lock; return the removed stages that have an entry there."""
        stages = (io.parse_yaml(content.decode()) if content else {}).get("stages") or {}
        removed = [name for name in stages if name not in self.owners.names]
        for name in removed:
            for out in stages[name].get("outs", ()):
                output = self.known.setdefault(out["path"], _Output(name))
                if md5 := out.get("md5"):
                    output.hashes.add(md5)
                    self._list(output, md5)
        return removed

    def read_records(self) -> None:
        """Add the outputs in the records of removed stages, and the records themselves."""
        for path in lineage.files():
            try:
                record = lineage.parse(path.read_bytes(), path)
            except (LineageError, OSError):
                continue  # not a record: it is kept
            if record.stage in self.owners.everywhere or lineage.record_of(record.stage) != str(
                path
            ):
                continue
            for name, digest in record.outputs.items():
                output = self.known.setdefault(name, _Output(record.stage))
                output.hashes.add(digest.md5)
                for file, its in (digest.files or {}).items():
                    output.files.setdefault(file, set()).add(its.md5)
            own = self.known.setdefault(str(path), _Output(record.stage))
            own.verified = not own.hashes

    def _list(self, output: _Output, md5: str) -> None:
        """Add a folder's files from their list in DVC's cache, if the list is there."""
        if md5.endswith(".dir"):
            with suppress(OSError, ValueError, LookupError, TypeError):
                for entry in json.loads((self.cache / md5[:2] / md5[2:]).read_bytes()):
                    output.files.setdefault(entry["relpath"], set()).add(entry["md5"])


def _examine_output(
    path: str, output: _Output, owners: _Owners, cache: Path
) -> tuple[Removal | None, list[Kept]]:
    """Which files of an output may be removed, and which are kept, with the reason."""
    place = Path(path)
    if not os.path.lexists(place):
        return None, []
    if reason := _untouchable(path, output, owners):
        return None, [Kept(path, reason)]
    judge = _Judge(path, output, cache)
    if not place.is_dir() or place.is_symlink():
        reason = judge.file(place, output.hashes)
        files = {} if reason else {place: marks(place)}
        kept = [Kept(path, reason)] if reason else []
    else:
        files, kept = judge.folder(owners.below(path))
    if not files and (kept or owners.below(path)):
        return None, kept
    copy = "cache" if judge.is_cached() else "none"
    return Removal(path, output.stage, files, copy), kept


def _untouchable(path: str, output: _Output, owners: _Owners) -> str:
    """Why an output is kept as a whole, whatever it contains; empty if there is no reason."""
    if not lineage.is_inside(path) or path in ("", "."):
        return "is outside of the project"
    if reason := owners.owner(path):
        return reason
    if not output.hashes and not output.verified:
        return f"{paths.LOCK} has no MD5 for it"
    for parent in PurePosixPath(path).parents:
        if Path(parent).is_symlink():
            return f"{parent} is a symbolic link"
    return ""


class _Judge:
    """Distinguishes the files that a removed stage wrote from all others."""

    def __init__(self, path: str, output: _Output, cache: Path) -> None:
        self.path, self.output, self.cache = path, output, cache

    def file(self, file: Path, hashes: Iterable[str]) -> str:
        """Why a file is kept; empty if its content is one of `hashes`."""
        if file.is_symlink():
            # DVC links to its cache with `cache.type symlink`; the link is named after the content.
            target = Path(os.path.realpath(file))
            linked = {self.cache.resolve() / md5[:2] / md5[2:] for md5 in hashes}
            return "" if target in linked else "is a symbolic link"
        if not file.is_file():
            return "is not a file any more"
        if self.output.verified or _md5(file) in hashes:
            return ""
        return f"is not what {self.output.stage} wrote"

    def is_cached(self) -> bool:
        """Whether DVC's cache has what the stage wrote."""
        files = [hashes for hashes in self.output.files.values() if hashes]
        return all(
            any((self.cache / md5[:2] / md5[2:]).exists() for md5 in hashes)
            for hashes in (self.output.hashes, *files)
        )

    def folder(self, owned: Sequence[str]) -> tuple[dict[Path, Marks], list[Kept]]:
        """The files of a folder that may be removed, and what is kept; `owned` is left out."""
        removed: dict[Path, Marks] = {}
        kept: list[Kept] = []
        found = [file for file in _files(Path(self.path)) if not _is_below(file, owned)]
        names = {file: file.relative_to(self.path).as_posix() for file in found}
        if not self.output.files:
            self._recognize(names)
        for file, name in names.items():
            reason = ""
            if file.name != MARK:
                hashes = self.output.files.get(name)
                reason = self.file(file, hashes) if hashes else "no stage made it"
                if not self.output.files:
                    reason = f"is not what {self.output.stage} wrote, or was added"
            if reason:
                kept.append(Kept(str(file), reason))
            else:
                removed[file] = marks(file)
        return removed, kept

    def _recognize(self, names: Mapping[Path, str]) -> None:
        """Accept all files if their joint hash is recorded; for folders without a known list."""
        files = {
            name: _md5(file)
            for file, name in names.items()
            if file.is_file() and not any(map(is_ignored, PurePosixPath(name).parts))
        }
        listed = [{"md5": files[name], "relpath": name} for name in sorted(files)]
        text = json.dumps(listed, sort_keys=True).encode()
        if hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir" in self.output.hashes:
            self.output.files = {name: {md5} for name, md5 in files.items()}


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, and all links, which are not followed."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if Path(here, name).is_symlink()]
        yield from (Path(here, name) for name in sorted([*names, *links]))


def _is_below(file: Path, folders: Iterable[str]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def marks(file: Path) -> Marks:
    """File metadata that reveals a write without reading the file."""
    stat = file.lstat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _remains(path: str, removed: set[Path]) -> bool:
    """Whether anything is left at a path after the files in `removed` are gone."""
    place = Path(path)
    if not place.is_dir() or place.is_symlink():
        return os.path.lexists(place) and place not in removed
    return any(file not in removed for file in _files(place))


def _ignore_line(path: str) -> bool:
    """Whether the .gitignore next to an output names it as DVC does: `/NAME`."""
    place = Path(path)
    try:
        text = (place.parent / ".gitignore").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return f"/{place.name}" in text.splitlines()


# The removal


def remove(plan: Plan) -> list[Kept]:
    """Remove what the plan lists; what changed since it was made is kept and returned.

    dvc.lock is edited last, so that after a crash the rest is still recognized as left over.

    Raises:
        StageError: another command is running here, or the pipeline has changed.
    """
    with _exclusive([removal.path for removal in plan.removals]):
        with read_only_repo() as repo:
            if _contents() != plan.read or _Owners.of(repo) != plan.owners:
                raise StageError("the pipeline changed while the list was shown: run again")
        texts = {}  # made before anything is removed
        if plan.artifacts:
            texts[paths.DAG] = without_artifacts(plan.read[paths.DAG].decode(), plan.artifacts)
        if plan.entries:
            texts[paths.LOCK] = without_entries(plan.read[paths.LOCK].decode(), plan.entries)
        kept = [kept for removal in plan.removals for kept in _remove_files(removal)]
        for output in plan.ignored:
            _remove_ignore_line(Path(output))
        needed = {*plan.owners.makers, *plan.owners.readers}
        for removal in plan.removals:
            _remove_empty_folders(Path(removal.path), needed)
        for path, text in texts.items():
            _write(path, text)
        locks.back_up_dvc_lock()
    return kept


@contextmanager
def _exclusive(written: Sequence[str]) -> Iterator[None]:
    """Keep both engines from running here, and from reading or writing the paths `written`.

    Raises:
        StageError: another command is running here.
    """
    try:
        with locks.acquire_run_lock(), Repo(os.curdir) as repo, lock_repo(repo):
            locked = [str(Path(repo.root_dir, path)) for path in written]
            hardlink = repo.config["core"].get("hardlink_lock", False)
            with rwlock(repo.tmp_dir, repo.fs, "tandem clean-up", [], locked, hardlink):
                yield
    except DvcException as error:
        problem = " ".join(str(error).split())
        raise StageError(f"another command is running here, wait for it: {problem}") from error


def _remove_files(removal: Removal) -> Iterator[Kept]:
    """Remove the files of an output; yield what has changed since they were listed."""
    for file, known in removal.files.items():
        with suppress(FileNotFoundError):
            if marks(file) == known:
                file.unlink()
            else:
                yield Kept(str(file), "was changed while the list was shown")


def _remove_empty_folders(place: Path, needed: set[str]) -> None:
    """Remove the empty folders in and above a path, except those in `needed`."""
    folders = [Path(here) for here, _, _ in os.walk(place, topdown=False)]
    for folder in (*folders, *place.parents):
        if folder == Path() or folder.is_symlink() or str(folder) in needed:
            return
        with suppress(OSError):  # it is not empty, or gone
            folder.rmdir()


def _remove_ignore_line(output: Path) -> None:
    """Remove an output's line from the .gitignore next to it, and the file if it becomes empty."""
    file = output.parent / ".gitignore"
    every = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in every if line.rstrip("\r\n") != f"/{output.name}"]
    if kept:
        partial = file.with_name(f"{io.PARTIAL}-{file.name}")
        io.write_text(partial, "".join(kept))
        partial.replace(file)
    else:
        file.unlink()


def _write(path: Path, text: str) -> None:
    """Write a file atomically; for a symbolic link, the file that it points to."""
    with io.atomic_outputs(path.resolve()) as (partial,):
        io.write_text(partial, text)


def without_entries(text: str, names: Sequence[str]) -> str:
    """The dvc.lock `text` without the entries of some stages; the rest is unchanged.

    A dvc.lock that is not in DVC's own format is rewritten in that format.
    """
    wanted = io.parse_yaml(text)
    wanted["stages"] = {n: entry for n, entry in wanted["stages"].items() if n not in names}
    shorter = text
    for name in names:
        entry = dvc.lock_entry(shorter, dvc.entry_title(name))
        if entry:
            shorter = ("\n" + shorter).replace("\n" + entry, "\n", 1).removeprefix("\n")
    if shorter != dvc.HEADER and io.parse_yaml(shorter) == wanted:
        return shorter
    stream = StringIO()
    _dump(wanted, stream)
    return stream.getvalue()


def without_artifacts(text: str, names: Sequence[str]) -> str:
    """The dvc.yaml `text` without some entries of `artifacts`; all other lines stay as they are.

    If the entries are not on lines of their own, ruamel.yaml rewrites the text and keeps
    comments.

    Raises:
        StageError: the entries cannot be removed without changing others.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True
    with suppress(KeyError, AttributeError, YAMLError):
        content = yaml.load(text)
        shorter = _without_lines(text, content, names)
        for name in names:
            del content["artifacts"][name]
        if not content["artifacts"]:
            del content["artifacts"]
        longer = _dumped(yaml, content)
        for candidate in (shorter, longer):
            with suppress(YAMLError):
                if io.parse_yaml(candidate) == io.parse_yaml(longer):
                    return candidate
    raise StageError(f"{paths.DAG}: remove {', '.join(names)} from artifacts by hand, run again")


def _dumped(yaml: YAML, content: Any) -> str:
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _without_lines(text: str, content: Any, names: Sequence[str]) -> str:
    """The text without the lines of some artifacts, and without the key if no artifact is left."""
    artifacts, every = content["artifacts"], text.splitlines(keepends=True)
    removed = set[int]()
    for name in names:
        start, column = artifacts.lc.key(name)
        removed |= {start, *_indented(every, start + 1, column)}
    if len(names) == len(artifacts):
        removed.add(content.lc.key("artifacts")[0])
    return "".join(line for number, line in enumerate(every) if number not in removed)


def _indented(every: Sequence[str], start: int, column: int) -> Iterator[int]:
    """The lines from `start` on with an indent of more than `column`, without trailing blanks."""
    blank: list[int] = []
    for number in range(start, len(every)):
        line = every[number]
        if not line.strip():
            blank.append(number)
        elif len(line) - len(line.lstrip(" ")) > column:
            yield from (*blank, number)
            blank = []
        else:
            return


# Text


def lines(plan: Plan) -> list[str]:
    """The plan in human-readable form."""
    printed: list[str] = []
    if not plan:
        printed.append("nothing to remove")
    else:
        printed.append("to be removed, since no stage of dvc.yaml owns it:")
        for removal in plan.removals:
            note = ", no other copy here" if removal.copy == "none" else ""
            size = shown(removal.size)
            printed.append(f"  {size:>10}  {removal.path}  ({removal.stage}{note})")
        for path in plan.ignored:
            place = Path(path)
            printed.append(f"  {'1 line':>10}  {place.parent / '.gitignore'}  (/{place.name})")
        for name in plan.artifacts:
            printed.append(f"  {'1 entry':>10}  {paths.DAG}  (artifacts: {name})")
        if plan.entries:
            count = _count(len(plan.entries), "entry", "entries")
            start = f"  {count:>10}  {paths.LOCK}  "
            printed += textwrap.wrap(
                f"({', '.join(plan.entries)})", 100, initial_indent=start,
                subsequent_indent=" " * len(start), break_on_hyphens=False,
            )  # fmt: skip
    if plan.kept:
        printed.append("kept:")
        printed += [f"  {kept.path}  {kept.reason}" for kept in plan.kept[:SHOWN]]
    if len(plan.kept) > SHOWN:
        printed.append(f"  and {len(plan.kept) - SHOWN} more: see --json")
    if plan:
        printed.append("copies in DVC's cache and remote stay; `dvc gc` removes those")
    return printed


def _removed(plan: Plan) -> str:
    """What was removed, in one line."""
    parts = [f"{_count(len(plan.removals), 'output')} ({shown(plan.size)})"]
    if plan.entries:
        parts.append(f"{_count(len(plan.entries), 'entry', 'entries')} of {paths.LOCK}")
    if plan.artifacts:
        parts.append(f"{_count(len(plan.artifacts), 'artifact')} of {paths.DAG}")
    if plan.ignored:
        parts.append(f"{_count(len(plan.ignored), 'line')} of .gitignore")
    kept = f"; kept {_count(len(plan.kept), 'path')}" if plan.kept else ""
    return f"removed {', '.join(parts)}{kept}"


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def shown(size: float) -> str:
    """A number of bytes in human-readable form.

    >>> shown(999), shown(517_000_000)
    ('999 B', '517.0 MB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
