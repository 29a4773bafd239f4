"""`tandem status` says which stages are fresh, stale, missing, frozen or running, and why.

tandem status           one screen; exit code 0 if there is nothing to do, else 1
tandem status --json    the same as an object, described by docs/schemas/status.json

A stage's state follows from the content of what it reads, as for `dvc status`, with these
differences:

- a change is reported once, where it is; the stages downstream have the reason `upstream`;
- the stage `code`, which digests the code of the others, is not executed: the files that it would
  write are computed and compared with those of each stage's last run;
- a stage whose outputs only have to be restored makes no other stage stale.

Nothing is executed and nothing is written: no file of the project, no lock and no checksum of DVC.
"""

import functools
import hashlib
import json
import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import psutil
from dvc.exceptions import DvcException
from dvc.repo.reproduce import get_active_graph
from dvc.scm import NoSCM
from dvc_data.hashfile.build import build
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from tandem.core import io, params, paths
from tandem.core.errors import StageError, TandemError
from tandem.core.provenance import RunRecord, StageCode, StageSpec, read_code
from tandem.engines import code_closure, locks, plan
from tandem.lineage import graph as lineage
from tandem.workspace.read_only import lenient_locks, read_only_repo
from tandem.workspace.status_report import (
    ABSENT,
    MAX_NAMES,
    Reason,
    StageStatus,
    Status,
    lines,
    listed,
)

WIDTHS = (80, 120)
"""Minimum and maximum width of the output, in columns."""
PULL = "`dvc pull` restores it"


def main(as_json: bool) -> int:
    """Print the status of the project in this folder; 0 if there is nothing to do, else 1.

    Raises:
        StageError: dvc.yaml, params.yaml or a source file cannot be read.
    """
    status = examine()
    if as_json:
        print(json.dumps(status.as_json(), ensure_ascii=False, indent=2, default=str))
    else:
        low, high = WIDTHS
        width = min(max(shutil.get_terminal_size((high, 0)).columns, low), high)
        print("\n".join(lines(status, width)))
    return status.exit_code


def examine() -> Status:
    """The status of the project in this folder.

    Raises:
        StageError: dvc.yaml, params.yaml or a source file cannot be read.
    """
    notes: list[str] = []
    with io.gc_paused(), read_only_repo() as repo, lenient_locks(notes):
        try:
            examination = _Examination(repo, _running(Path(repo.root_dir)))
            stages = examination.statuses()
        except DvcException as error:
            problem = " ".join(str(error).split())
            raise StageError(f"DVC cannot read the pipeline: {problem}") from error
        pulled = any(reason.cure == PULL for stage in stages for reason in stage.reasons)
        if pulled and not repo.config["core"].get("remote"):
            notes.append("`dvc pull` needs a remote: see `dvc remote add --default`")
    if head := _snakemake_head():
        notes.append(f"{head} runs here")
    return Status(stages, notes)


def _running(root: Path) -> dict[str, str]:
    """Absolute path that a running DVC process writes → that process, from DVC's path locks."""
    path = root / ".dvc/tmp/rwlock"
    try:
        held = json.loads(path.read_text(encoding="utf-8"))["write"]
        written = path.stat().st_mtime
        return {
            str(out): _process(holder["cmd"], holder["pid"])
            for out, holder in held.items()
            if _is_alive(holder["pid"], written)
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # no lock is held, or the file is just being written


def _is_alive(pid: int, since: float) -> bool:
    """Whether the process is running and already was at the time `since`; PIDs are reused."""
    try:
        return bool(psutil.Process(pid).create_time() <= since + 1)
    except psutil.Error:
        return False


def _process(command: str, pid: int) -> str:
    program, *words = command.split(" ")
    shown = " ".join([Path(program).name, *words])
    return f"`{textwrap.shorten(shown, 72, placeholder=' …')}` (process {pid})"


def _snakemake_head() -> str:
    """The snakemake that runs jobs in this folder; it holds the lock of `acquire_run_lock`.

    It is looked up in the kernel's list of locks, since testing the lock would mean acquiring it.
    Empty if there is no such process or no such list.
    """
    try:
        inode = locks.RUN_LOCK.stat().st_ino
        entries = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for entry in entries:
        _, kind, _, _, pid, where, *_ = [word for word in entry.split() if word != "->"]
        if kind == "FLOCK" and where.rpartition(":")[2] == str(inode):
            with suppress(psutil.Error, StopIteration):  # inode numbers repeat across disks
                words = psutil.Process(int(pid)).cmdline()
                start = next(at for at, word in enumerate(words) if "snakemake" in Path(word).name)
                return _process(" ".join(words[start:]), int(pid))
    return ""


class _Examination:
    """Compares each stage with its entry in dvc.lock.

    Stages, outputs and dependencies are DVC's own objects; their `hash_info` is what dvc.lock or a
    .dvc file holds.
    """

    def __init__(self, repo: Any, running: Mapping[str, str]) -> None:
        self.repo = repo
        self.running = running
        self.root = str(repo.root_dir)
        self.store = repo.cache.local
        graph = repo.index.graph
        self.active = get_active_graph(graph)  # a frozen stage depends on nothing
        default = [s for s in repo.index.stages if s.cmd and Path(s.path) == self._dag]
        needed = {*default}.union(*(nx.descendants(self.active, stage) for stage in default))
        places = {stage: place for place, stage in enumerate(repo.index.stages)}
        # An edge runs from a stage to what it depends on.
        flow = self.active.subgraph(needed).reverse()
        self.stages = list(nx.lexicographical_topological_sort(flow, key=places.__getitem__))
        self.here = functools.cache(self._here)

    @property
    def _dag(self) -> Path:
        return Path(self.root, paths.DAG)

    def statuses(self) -> list[StageStatus]:
        """The status of each stage, in the order in which data flows."""
        done: dict[Any, StageStatus] = {}
        for stage in self.stages:
            if stage.cmd:
                done[stage] = self._status(stage, [done[s] for s in self._upstream(stage)])
            else:
                done[stage] = self._source_status(stage)
        return list(done.values())

    def _upstream(self, stage: Any) -> list[Any]:
        """The stages that a stage reads from; not `code`, whose files are computed here."""
        above = set(self.active.successors(stage))
        return [
            other
            for other in self.stages
            if other in above
            and any(
                not self._describes_code(stage, dep)
                for dep in stage.deps
                for out in other.outs
                if paths.overlap(str(out.fs_path), str(dep.fs_path))
            )
        ]

    def _status(self, stage: Any, above: Sequence[StageStatus]) -> StageStatus:
        """The state of a stage that runs a command, given the states of the stages upstream."""
        name = stage.addressing
        if process := self._process(stage):
            return StageStatus(name, "running", [Reason("process", process)], [name])
        own, outputs = [*self._changes(stage)], [*self._outputs(stage)]
        roots = list(dict.fromkeys(root for other in above for root in other.roots))
        reasons = [*own, *(Reason("upstream", root) for root in roots), *outputs]
        if stage.frozen:
            state = "frozen"
        elif not reasons:
            state = "fresh"
        elif not roots and self._only_lacks_outputs(stage, own):
            state = "missing"
        else:
            state = "stale"
        return StageStatus(name, state, reasons, [*roots, name] if own else roots)

    def _only_lacks_outputs(self, stage: Any, changes: Sequence[Reason]) -> bool:
        """Whether a stage has never run, or its only problem is that outputs are missing."""
        if not {reason.kind for reason in changes} <= {"new"}:
            return False
        outs = [out for out in stage.outs if out.protocol == "local"]
        here = [self.here(out.fs_path, out) for out in outs]
        if changes:
            return None in here
        written = [out.hash_info.value for out in outs]
        return all(now is None or now.md5 == md5 for now, md5 in zip(here, written, strict=True))

    def _source_status(self, source: Any) -> StageStatus:
        """The state of a .dvc file, which tracks data that no stage makes."""
        status = StageStatus(source.addressing, "fresh")
        for out in source.outs:
            path, here = self._path(out), self.here(out.fs_path, out)
            if here is None:
                status.state = "missing"
                status.reasons.append(self._absent(out, path))
            elif here.md5 != out.hash_info.value:
                status.state = "stale"
                problem = "was edited; the next run uses the edited data"
                if not plan.is_editable(source):
                    problem = "was edited, and `dvc repro` would fetch it again"
                status.reasons.append(Reason("data", path, problem))
            elif out.use_cache and not self._is_cached(here.md5):
                status.state = "missing"
                status.reasons.append(self._uncached(source, path))
        return status

    def _process(self, stage: Any) -> str:
        """The process that writes all outputs of a stage now."""
        writers = {self.running.get(str(out.fs_path), "") for out in stage.outs}
        return writers.pop() if len(writers) == 1 else ""

    def _changes(self, stage: Any) -> Iterator[Reason]:
        """Why a stage would run, apart from its outputs and the stages upstream."""
        if stage.frozen:
            return
        lock = stage.dvcfile.lockfile_contents.get("stages", {})
        if stage.name not in lock:
            yield Reason("new", str(paths.LOCK), "has no entry for it")
            return
        if stage.cmd_changed:
            yield Reason("command", stage.name, old=lock[stage.name]["cmd"], new=stage.cmd)
        if stage.always_changed or stage.is_callback:
            yield Reason("always", stage.name, "runs each time")
        for dep in stage.deps:
            yield from self._dep_changes(stage, dep)
        for out in stage.outs:
            if not out.hash_info:
                yield Reason("new", self._path(out), f"is not in {paths.LOCK}")

    def _dep_changes(self, stage: Any, dep: Any) -> Iterator[Reason]:
        """How a dependency differs from what the stage read last."""
        path = self._path(dep)
        if hasattr(dep, "read_params"):
            yield from _param_changes(dep)
        elif not plan.is_file(dep):
            yield from (Reason("data", name, "changed") for name in dep.status())
        elif not dep.hash_info:
            yield Reason("data", path, f"is new among the deps of {paths.DAG}")
        elif self._describes_code(stage, dep):
            yield from self._code_changes(stage, path, dep.hash_info.value)
        else:
            yield from self._data_changes(stage, dep)

    # Data

    def _data_changes(self, stage: Any, dep: Any) -> Iterator[Reason]:
        """Whether a file or folder is not what the stage read last."""
        path, old = self._path(dep), dep.hash_info.value
        outs = [
            out
            for other in self.repo.index.graph.successors(stage)
            for out in other.outs
            if paths.overlap(str(out.fs_path), str(dep.fs_path))
        ]
        now = self._whole(dep, outs) if outs else self.here(dep.fs_path, dep)
        if now is None and not outs:
            yield Reason("data", path, "is missing")
        elif now is not None and now.md5 not in (old, ""):
            names = _differing(self._listed(old), now.files) or [*now.strays]
            if not names and dep.meta.nfiles and now.files is not None:
                counts = f"{len(now.files)} files, {dep.meta.nfiles} before"
                names = [counts] if len(now.files) != dep.meta.nfiles else []
            kind = "code" if paths.is_code(path) else "data"
            yield Reason(
                kind, path, "changed" + (f" ({listed(names, MAX_NAMES)})" if names else "")
            )

    def _whole(self, dep: Any, outs: Sequence[Any]) -> "_Content | None":
        """What a dependency contains once the `outs` that overlap with it are up to date.

        None if that is not known.
        """
        exact = [out for out in outs if out.fs_path == dep.fs_path]
        if exact:
            return self._settled(exact[0])
        files: dict[str, str] = {}
        for out in outs:
            settled = self._settled(out)
            if settled is None:
                return None
            if len(str(out.fs_path)) < len(str(dep.fs_path)):  # the dependency is a part of it
                within = os.path.relpath(dep.fs_path, out.fs_path)
                return None if settled.files is None else _part(settled.files, within)
            within = os.path.relpath(out.fs_path, dep.fs_path)
            if not settled.is_folder:
                files[within] = settled.md5
            elif settled.files is None:
                return None
            else:
                files |= {f"{within}/{name}": md5 for name, md5 in settled.files.items()}
        # DVC counts everything else in the folder as part of the dependency.
        here = self.here(dep.fs_path, dep)
        roots = [os.path.relpath(out.fs_path, dep.fs_path) for out in outs]
        strays = {
            name: md5
            for name, md5 in ((here and here.files) or {}).items()
            if not any(paths.overlap(root, name) for root in roots)
        }
        files |= strays
        return _Content(_folder_md5(files), files, tuple(strays))

    def _settled(self, out: Any) -> "_Content | None":
        """What an output is once it is up to date, if no stage upstream has changed.

        None if its stage has never run.
        """
        if not out.stage.cmd and (here := self.here(out.fs_path, out)) is not None:
            return here  # DVC accepts edited data of a .dvc file
        md5 = out.hash_info.value
        if not md5:
            return None
        here = self.here(out.fs_path, out)
        if here is not None and here.md5 == md5:
            return here
        return _Content(md5, self._listed(md5))

    def _here(self, _path: str, item: Any) -> "_Content | None":
        """What is at the path of an output or a dependency; None if nothing is."""
        if not item.exists:
            return None
        try:
            _, _, found = build(
                item.local_cache, item.fs_path, item.fs, item.hash_name,
                ignore=item.dvcignore, dry_run=True,
            )  # fmt: skip
        except FileNotFoundError:  # a dangling link, or a stage just removed it
            return None
        files = None
        if isinstance(found, Tree):
            files = {"/".join(key): digest.value for key, _, digest in found}
        return _Content(str(found.hash_info.value), files)

    def _listed(self, md5: str) -> dict[str, str] | None:
        """The files of a folder, from their list in DVC's cache; None if the list is not there."""
        if not md5.endswith(".dir"):
            return None
        try:
            entries = json.loads(self._object(md5).read_bytes())
            return {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
        except (OSError, ValueError, LookupError, TypeError, ObjectFormatError):
            return None

    def _object(self, md5: str) -> Path:
        """The path of an object in DVC's cache."""
        return Path(self.store.oid_to_path(md5))

    # Outputs

    def _outputs(self, stage: Any) -> Iterator[Reason]:
        """Which outputs are absent, edited or not in DVC's cache."""
        for out in stage.outs:
            path, md5 = self._path(out), out.hash_info.value
            if out.protocol != "local":
                yield from (Reason("output", name, "changed") for name in out.status())
                continue
            if not md5:
                continue  # the stage has not run with this output
            here = self.here(out.fs_path, out)
            if here is None:
                yield self._absent(out, path)
            elif here.md5 != md5:
                names = _differing(self._listed(md5), here.files)
                shown = f" ({listed(names, MAX_NAMES)})" if names else ""
                yield Reason("output", path, f"was edited{shown}", "the stage recreates it")
            elif out.use_cache and not self._is_cached(md5):
                yield self._uncached(stage, path)

    def _uncached(self, stage: Any, path: str) -> Reason:
        """The reason for an unchanged output that has no copy in DVC's cache."""
        cure = f"`dvc commit {stage.addressing}` puts it there"
        return Reason("output", path, "is not in DVC's cache", cure)

    def _absent(self, out: Any, path: str) -> Reason:
        """The reason for an output that is missing, with the way to restore it."""
        if not out.use_cache:
            tracked = not isinstance(self.repo.scm, NoSCM) and self.repo.scm.is_tracked(out.fs_path)
            cure = "`git restore` restores it" if tracked else "the stage recreates it"
        elif out.hash_info and self._is_cached(out.hash_info.value):
            cure = "`dvc checkout` restores it"
        else:
            cure = PULL
        return Reason("output", path, "is not in the workspace", cure)

    def _is_cached(self, md5: str) -> bool:
        """Whether DVC's cache has an object and, for a folder, all of its files."""
        if not self._object(md5).exists():
            return False
        files = self._listed(md5) or {}
        return all(self._object(file).exists() for file in files.values())

    # Code

    def _describes_code(self, stage: Any, dep: Any) -> bool:
        """Whether a dependency is a file that the stage `code` writes."""
        makers = {other.addressing for other in self.repo.index.graph.successors(stage)}
        return plan.CODE in makers and self._path(dep).startswith(f"{paths.CODE}/")

    def _code_changes(self, stage: Any, path: str, ran: str) -> Iterator[Reason]:
        """Which source files and package versions are not those of the stage's last run.

        `ran` is the MD5 that the stage's file of workflow/code had then.
        """
        now = self._code_now(stage, path)
        if _code_md5(now) == ran:
            return
        old = self._code_then(path, ran)
        if old is None:
            # The files of that run are unknown; its record has at least the packages.
            packages = self._recorded_packages(stage, path, ran)
            yield from _package_changes(packages, now.packages)
            yield Reason("code", "its code", "changed")
            return
        for name in sorted({*old.files, *now.files}):
            if old.files.get(name) != now.files.get(name):
                problem = "changed"
                if name not in old.files:
                    problem = "was added to the stage's code"
                elif name not in now.files:
                    problem = "was removed from the stage's code"
                yield Reason("code", f"{paths.SOURCE}/{name}", problem)
        yield from _package_changes(old.packages, now.packages)

    def _code_now(self, stage: Any, path: str) -> StageCode:
        """What the file of workflow/code would hold now."""
        if self._code_is_current:
            return read_code(Path(path))
        keys = tuple(key for dep in stage.params for key in dep.params)
        command = stage.cmd if isinstance(stage.cmd, str) else " ".join(stage.cmd)
        declared = StageSpec(
            name=stage.addressing, command=command, deps=(), params=keys, outs=(), in_git=()
        )
        return self._closures.code(declared, self._params)

    def _code_then(self, path: str, md5: str) -> StageCode | None:
        """What the file held at the stage's last run, from the workspace or DVC's cache."""
        for place in (Path(path), self._object(md5)):
            with suppress(OSError, TandemError):
                if hashlib.md5(place.read_bytes(), usedforsecurity=False).hexdigest() == md5:
                    return read_code(place)
        return None

    def _recorded_packages(self, stage: Any, path: str, md5: str) -> Mapping[str, str]:
        """The versions that the stage's record has, if it is the record of the same run."""
        place = Path(lineage.record_of(stage.name))
        with suppress(OSError, TandemError):
            record: RunRecord = lineage.parse(place.read_bytes(), place)
            if (read := record.inputs.get(path)) and read.md5 == md5:
                return record.packages
        return {}

    @cached_property
    def _code_is_current(self) -> bool:
        """Whether the files of workflow/code are here and describe the current code."""
        stage = next(stage for stage in self.stages if stage.addressing == plan.CODE)
        return not self._process(stage) and not [*self._changes(stage), *self._outputs(stage)]

    @cached_property
    def _closures(self) -> code_closure.Closures:
        return code_closure.Closures()

    @cached_property
    def _params(self) -> dict[str, Any]:
        return params.read()

    def _path(self, item: Any) -> str:
        return plan.path_of(item, self.root)


@dataclass(frozen=True)
class _Content:
    """A file or folder, identified by DVC's hash."""

    md5: str
    files: Mapping[str, str] | None
    """For a folder, name → MD5; None for a file, or if they are not known."""
    strays: Sequence[str] = ()
    """Those of `files` that no stage makes."""

    @property
    def is_folder(self) -> bool:
        return self.md5.endswith(".dir")


def _part(files: Mapping[str, str], within: str) -> _Content | None:
    """The file or folder `within` a folder with these files."""
    if within in files:
        return _Content(files[within], None)
    start = f"{within}/"
    below = {n.removeprefix(start): md5 for n, md5 in files.items() if n.startswith(start)}
    return _Content(_folder_md5(below), below) if below else None


def _folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder: of the list of its files (`Tree` of dvc_data)."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    text = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"


def _code_md5(code: StageCode) -> str:
    """The MD5 that a file of workflow/code with this content has."""
    return hashlib.md5(io.json_bytes(code.model_dump()), usedforsecurity=False).hexdigest()


def _differing(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> list[str]:
    """The names of the files that differ between two folders, if both are known."""
    if old is None or new is None:
        return []
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _package_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Reason]:
    """Packages whose version has changed since the last run."""
    for name in sorted({*old} & {*new}):
        if old[name] != new[name]:
            yield Reason("package", name, old=old[name], new=new[name])


def _param_changes(dep: Any) -> Iterator[Reason]:
    """The keys of a params file whose values are not those of the last run."""
    ran, now = dep.hash_info.value, dep.read_params()
    prefix = "" if Path(dep.fs_path).name == paths.PARAMS.name else f"{dep.def_path}:"
    keys = dep.params or sorted({*now, *(ran or {})})
    for key in keys:
        for name, old, new in _differences(key, (ran or {}).get(key, ABSENT), now.get(key, ABSENT)):
            yield Reason("param", f"{prefix}{name}", old=old, new=new)


def _differences(key: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost keys below `key` whose values differ, with both values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for part in dict.fromkeys([*old, *new]):
            below = f"{key}.{part}"
            yield from _differences(below, old.get(part, ABSENT), new.get(part, ABSENT))
    elif old != (list(new) if isinstance(new, tuple) else new):  # YAML has lists, Python has tuples
        yield key, old, new
