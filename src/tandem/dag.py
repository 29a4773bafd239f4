"""Which stages there are, and which are stale, asked of DVC's internals.

The Snakefile asks here once, in its main process. What is stale is DVC's word, by content; all
that lies below a stale stage goes with it, since its inputs may change:

    fetch ── clean ── split ── train          `clean` has an edited param:
      │                 └───── baseline       stale are clean, split, train, baseline
      └── (up to date)

Jobs, which read the Snakefile again in processes of their own, read the plan that was written.
"""

import fcntl
import functools
import gc
import hashlib
import json
import operator
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tandem.core import io, params_check, paths
from tandem.core.errors import StageError, TandemError, line

STATE = Path(".snakemake/tandem")
PLAN = STATE / "plan.json"
CHECKED = STATE / "checked"
INCOMPLETE = Path(".snakemake/incomplete")


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml as a Snakemake rule needs it; paths are relative to the root."""

    name: str
    desc: str
    inputs: list[str]
    """Files of the project, and what other stages write."""
    made: list[str]
    """Those of `inputs` that other stages write."""
    outputs: list[str]
    results: list[str]
    """Those of `outputs` that `snakemake --report` shows."""
    upstream: list[str]
    threads: int
    mem_mb: int
    gpu: int
    priority: int
    """The higher, the sooner it should start."""
    stale: bool

    @property
    def group(self) -> str:
        """The stage's name without its matrix: `train` of `train@sentiment`."""
        return self.name.partition("@")[0]

    @property
    def reason(self) -> Path:
        """A file that Snakemake takes for a changed input while the stage is stale."""
        return STATE / "stale" / self.name

    @property
    def log(self) -> Path:
        """What the stage's last job printed."""
        return STATE / "log" / f"{self.name}.log"


def plan() -> list[Stage]:
    """Ask DVC for the stages and their state, write the plan and the reasons to run.

    Raises:
        ParamsError: params.yaml holds mistakes; all are named.
        StageError: dvc.yaml or dvc.lock cannot be read, or another command runs here.
    """
    with io.uncollected():  # imports make many objects too
        check_params()
        restore_lock()
        forget_incomplete()
        stages = ask_dvc()
        keep_lock()
        gc.freeze()  # all this stays, so Snakemake need not look for garbage in it
    shutil.rmtree(STATE / "stale", ignore_errors=True)
    for stage in stages:
        if stage.stale:
            stage.reason.parent.mkdir(parents=True, exist_ok=True)
            # Snakemake compares small inputs by checksum too, so the content must be new.
            stage.reason.write_text(f"{stage.name} {os.getpid()} {os.urandom(8).hex()}\n")
    PLAN.parent.mkdir(parents=True, exist_ok=True)
    PLAN.write_text(json.dumps([asdict(stage) for stage in stages]), encoding="utf-8")
    return stages


def check_params() -> None:
    """Check params.yaml, unless neither it nor the code has changed since it was found right.

    Some plug-ins import torch beside their params, which takes seconds, and planning may not.
    """
    if CHECKED.exists() and CHECKED.read_text() == _state_of_params():
        return
    params_check.check()
    remember_check()


def remember_check() -> None:
    """Note that params.yaml has just been found right, for the code as it is."""
    STATE.mkdir(parents=True, exist_ok=True)
    CHECKED.write_text(_state_of_params())


def _state_of_params() -> str:
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    digest = hashlib.sha256()
    for path in [*sources, paths.PARAMS]:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def read_plan() -> list[Stage]:
    """The plan that the main process wrote; for jobs, which must not plan again."""
    return [Stage(**stage) for stage in json.loads(PLAN.read_text(encoding="utf-8"))]


def ask_dvc() -> list[Stage]:
    """The stages of dvc.yaml in the order in which data flows."""
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo

    try:
        # `repo.status()` would read dvc.yaml and dvc.lock once more before and after
        with Repo(os.curdir, _wait_for_lock=True) as repo, lock_repo(repo), looked_at_once():
            graph = repo.index.graph
            with reading(repo, graph):
                changed = {stage for stage in graph if type(stage).status.__wrapped__(stage)}
            # An edge runs from a stage to what it depends on: dependents are ancestors.
            stale = changed.union(*(nx.ancestors(graph, stage) for stage in changed))
            places = {stage.addressing: n for n, stage in enumerate(repo.index.stages)}
            ordered = nx.lexicographical_topological_sort(
                graph.reverse(), key=lambda stage: places[stage.addressing]
            )
            first = priorities(graph)
            return [_stage(stage, graph, first[stage], stage in stale) for stage in ordered]
    except LockError as error:
        what = " ".join(" ".join(str(error).splitlines()[:2]).split())
        raise StageError(f"another command runs here, wait for it: {what}") from error
    except DvcException as error:
        raise StageError(f"DVC cannot read the pipeline: {' '.join(str(error).split())}") from error


@contextmanager
def reading(repo: Any, stages: Iterable[Any]) -> Iterator[None]:
    """Hold DVC's lock on reading all files of `stages` at once.

    `Stage.status` would take and leave it stage by stage, each time in a file written anew.

    Raises:
        LockError: another command writes one of them.
    """
    from dvc.rwlock import rwlock

    files = {item.fs_path for stage in stages for item in (*stage.deps, *stage.outs)}
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), sorted(files), [], hardlink):
        yield


@contextmanager
def looked_at_once() -> Iterator[None]:
    """Have DVC look at a file once for all stages that read it, which halves the time to plan.

    It would parse params.yaml anew for each stage and search all of it for each key, hash the
    folders of code, of which every stage has some, anew for each stage, and ask of each word of
    dvc.lock which version of YAML it is in, which is 1.2.
    """
    from dvc.dependency import param
    from dvc.output import Output
    from ruamel.yaml.resolver import VersionedResolver

    hashed: dict[tuple[str, str], Any] = {}
    of_output, of_params, parse = Output._get_hash_meta, param.read_param_file, param.load_path
    resolver: Any = VersionedResolver
    of_word = resolver.processing_version
    parsed = cache(parse)

    def hash_once(output: Any) -> Any:
        key = output.fs_path, output.hash_name
        if key not in hashed:
            hashed[key] = of_output(output)
        return hashed[key]

    def walk(fs: Any, path: str, keys: Sequence[str] | None = None, flatten: bool = False) -> Any:
        content, found = parsed(path, fs), {}
        if not keys or not flatten:
            return of_params(fs, path, keys, flatten)
        for key in keys:
            try:
                found[key] = functools.reduce(operator.getitem, key.split("."), content)
            except KeyError:  # DVC calls it missing
                continue
            except TypeError:  # it stands in a list
                return of_params(fs, path, keys, flatten)
        return found

    Output._get_hash_meta, param.read_param_file = hash_once, walk
    resolver.processing_version = (1, 2)
    try:
        yield
    finally:
        Output._get_hash_meta, param.read_param_file = of_output, of_params
        resolver.processing_version = of_word


def priorities(graph: Any) -> dict[Any, int]:
    """What holds up most goes first: by the longest chain of stages below, then by all of them.

    Of equals, what depends on the most, and so could start last: nothing is left to fill a long
    stage's time with at the end of a run.
    """
    import networkx as nx

    chain: dict[Any, int] = {}
    below: dict[Any, set[Any]] = {}
    size = len(graph)
    for stage in nx.topological_sort(graph):  # dependents come first
        dependents = list(graph.predecessors(stage))
        chain[stage] = max((chain[other] + 1 for other in dependents), default=0)
        below[stage] = {*dependents}.union(*(below[other] for other in dependents))
    above = {stage: len(nx.descendants(graph, stage)) for stage in graph}
    return {s: (chain[s] * size + len(below[s])) * size + above[s] for s in graph}


def _stage(stage: Any, graph: Any, priority: int, stale: bool) -> Stage:
    upstream = sorted(graph.successors(stage), key=lambda other: other.addressing)
    theirs = [out.def_path for other in upstream for out in other.outs]
    inputs: list[str] = []
    made: list[str] = []
    for dep in (d.def_path for d in stage.deps if not hasattr(d, "hash_params") and d.def_path):
        covered = [path for path in theirs if paths.overlap(path, dep)]
        made += covered
        inputs += covered or [dep]
    meta = stage.meta or {}
    return Stage(
        name=stage.addressing,
        desc=stage.desc or "",
        inputs=sorted({*inputs} - {str(paths.PARAMS)}),
        made=sorted({*made}),
        outputs=sorted(out.def_path for out in stage.outs),
        results=sorted(out.def_path for out in stage.outs if out.metric or out.plot),
        upstream=[other.addressing for other in upstream],
        threads=int(meta.get("threads", 1)),
        mem_mb=int(meta.get("mem_mb", 1000)),
        gpu=int(meta.get("gpu", 0)),
        priority=priority,
        stale=stale,
    )


def is_folder(path: str) -> bool:
    """Whether an output is a folder: by our convention, files have a suffix."""
    return not Path(path).suffix


def use_this_environment() -> None:
    """Let jobs find the `dvc` and `tandem` that belong to the Python that runs Snakemake."""
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if here not in path:
        os.environ["PATH"] = os.pathsep.join([here, *path])


@contextmanager
def one_line() -> Iterator[None]:
    """End Snakemake as `tandem` ends on a user's mistake: one line, exit code 2.

    Left to itself, Snakemake would add every line of code that the error came through.
    """
    try:
        yield
    except (TandemError, OSError) as error:
        print(line(error), file=sys.stderr)
        sys.exit(2)


def hold() -> IO[str]:
    """Be the only head that runs jobs in this folder; keep the returned file open meanwhile.

    Snakemake's own lock outlives a killed head and would have to be removed by hand; this one
    is the kernel's and goes with the process.

    Raises:
        StageError: another snakemake runs here.
    """
    STATE.mkdir(parents=True, exist_ok=True)
    file = (STATE / "head.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StageError("another snakemake is running in this folder: wait for it") from None
    return file


def keep_lock() -> None:
    """Keep a copy of dvc.lock: DVC writes it in place, and a kill can leave it empty."""
    if paths.LOCK.exists():
        STATE.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.LOCK, STATE / paths.LOCK.name)


def forget_incomplete() -> None:
    """Forget what Snakemake was making when it was stopped, unless another one still is.

    It would refuse to go on, or make again what DVC knows to be right, since a stage writes all of
    its outputs or none.
    """
    with suppress(StageError), hold():
        for mark in INCOMPLETE.glob("**/*"):
            if mark.is_file():
                mark.unlink()


def restore_lock() -> None:
    """Put the kept copy back where a killed run has cut dvc.lock short.

    Stages that ran since are not lost: DVC's run cache knows them.

    Raises:
        StageError: a merge has left its marks in dvc.lock.
    """
    if not paths.LOCK.exists():
        return
    text = paths.LOCK.read_text(encoding="utf-8", errors="replace")
    if "<<<<<<<" in text:
        raise StageError(f"{paths.LOCK} holds marks of a merge: take one side, then run again")
    kept = STATE / paths.LOCK.name
    if (kept.exists() and kept.read_text(encoding="utf-8") == text) or is_whole(text):
        return
    print(
        f"tandem: {paths.LOCK} was cut short by a crash; restored, nothing is lost", file=sys.stderr
    )
    paths.LOCK.unlink()
    if kept.exists():
        shutil.copyfile(kept, paths.LOCK)


def is_whole(text: str) -> bool:
    """Whether the text of a dvc.lock ends where DVC ends it."""
    from ruamel.yaml.error import YAMLError

    try:
        content = io.parse_yaml(text)
    except YAMLError:
        return False
    return text.endswith("\n") and isinstance(content, dict) and "stages" in content
