"""Which stages there are, and which are stale, asked of DVC's internals.

The Snakefile asks here once, in its main process. What is stale is DVC's word, by content; all
that lies below a stale stage goes with it, since its inputs may change:

    fetch ── clean ── split ── train          `clean` has an edited param:
      │                 └───── baseline       stale are clean, split, train, baseline
      └── (up to date)

Jobs, which read the Snakefile again in processes of their own, read the plan that was written.
"""

import fcntl
import gc
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tandem.core import io, params, params_check, paths
from tandem.core.errors import StageError, TandemError, format_error
from tandem.engines import dvc_stages, stage_output, stage_server
from tandem.patches import dvc

CODE = "code"
"""The stage that digests the code that each other stage depends on; planning runs it."""
STATE = Path(".snakemake/tandem")
PLAN = STATE / "plan.json"
CHECKED = STATE / "checked"
INCOMPLETE = Path(".snakemake/incomplete")
READ: stage_server.Pipeline | None = None
"""What the main process has read to plan; its server of stages keeps it."""
RUN_LOCK: IO[str] | None = None
"""The lock of the run, held until this process ends; a variable of `onstart` would be closed."""
EDITED: list[str] = []
"""The .dvc files whose data was edited and that a stage of the plan reads."""


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
    default: bool
    """Whether `dvc repro` and `snakemake` without a target run it if it is stale."""

    @property
    def target(self) -> str:
        """The stage's name for DVC in the root, which no file can be mistaken for."""
        return self.name if ":" in self.name else f"{paths.DAG}:{self.name}"

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
        return stage_output.log_of(self.name)


def plan() -> list[Stage]:
    """Ask DVC for the stages and their state, write the plan and the reasons to run.

    Raises:
        ParamsError: params.yaml holds mistakes; all are named.
        StageError: dvc.yaml or dvc.lock cannot be read, or another command runs here.
    """
    with io.gc_paused():  # imports make many objects too
        check_params()
        restore_dvc_lock()
        clear_incomplete_marks()
        stages = load_stages()
        back_up_dvc_lock()
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
    params_check.check(params.read(), dvc_stages.sections)
    remember_check()


def remember_check() -> None:
    """Note that params.yaml has just been found right, for the code as it is."""
    STATE.mkdir(parents=True, exist_ok=True)
    CHECKED.write_text(_state_of_params())


def _state_of_params() -> str:
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256()
    for path in [*sources, paths.PARAMS]:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def read_plan() -> list[Stage]:
    """The plan that the main process wrote; for jobs, which must not plan again."""
    return [Stage(**stage) for stage in json.loads(PLAN.read_text(encoding="utf-8"))]


def load_stages() -> list[Stage]:
    """The stages that run commands, in the order in which data flows.

    Raises:
        StageError: DVC cannot read the pipeline, another command runs here, or data that a
            `.dvc` file tracks is missing.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo
    from tqdm import tqdm  # type: ignore[import-untyped]

    if not paths.DAG.exists():
        raise StageError(f"there is no {paths.DAG} here: run in the root of the project")
    dvc.patch_reading()
    tqdm.monitor_interval = 0  # a thread of it would forbid to fork the server
    try:
        repo = Repo(os.curdir, _wait_for_lock=True)  # stays open: the server runs stages with it
        with lock_repo(repo):
            index = repo.index
            graph = index.graph
            read = stage_server.pipeline(repo, index.stages)
            refresh(read, CODE)
            stages = _stages(index.stages, graph)
            global READ
            READ = stage_server.pipeline(repo, index.stages)
        return stages
    except LockError as error:
        what = " ".join(str(error).split())
        raise StageError(f"another command runs here, wait for it: {what}") from error
    except DvcException as error:
        raise StageError(f"DVC cannot read the pipeline: {' '.join(str(error).split())}") from error


def refresh(read: stage_server.Pipeline, name: str) -> None:
    """Bring a stage that costs little up to date now, so that the plan knows what it changes.

    A stage whose outputs come out unchanged then makes no other stage stale. Nothing happens if
    there is no such stage, or it is up to date. To be called under DVC's lock, before the plan
    reads anything that the stage writes.

    Raises:
        StageError: the stage failed; it has printed why.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    stage = read.stages.get(name)
    if stage is None or not stage.cmd:
        return
    try:
        with quiet_dvc():
            read.reproduce(name)
    except LockError:
        raise
    except DvcException as error:
        reason = error.__cause__ or error  # DVC's own text only names the stage
        raise StageError(f"stage {name} failed: {' '.join(str(reason).split())}") from error


def add_sources() -> None:
    """Update the .dvc files of data that was edited and that a stage reads, as `dvc repro` does.

    DVC takes the data into its cache; the data itself stays as it is.

    Raises:
        StageError: DVC cannot read or store the data.
    """
    from dvc.exceptions import DvcException

    if READ is None:
        return
    try:
        with quiet_dvc():
            for source in EDITED:
                READ.reproduce(source)
    except DvcException as error:
        raise StageError(" ".join(str(error).split())) from error


@contextmanager
def quiet_dvc() -> Iterator[None]:
    """Have DVC, and commands that it runs, print nothing but warnings and errors."""
    from dvc.logger import set_loggers_level

    sys.stdout.flush()
    stdout = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        with set_loggers_level(logging.WARNING):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nothing)


def _stages(stages: Sequence[Any], graph: Any) -> list[Stage]:
    """The stages that run commands, with what is stale; notes which sources were edited."""
    import networkx as nx
    from dvc.repo.reproduce import get_active_graph

    root = str(Path.cwd())
    active = get_active_graph(graph)  # a frozen stage depends on nothing
    commands = [stage for stage in stages if stage.cmd]
    with dvc_read_lock(stages[0].repo, graph) if stages else nullcontext():
        changed = {stage for stage in graph if type(stage).status.__wrapped__(stage)}
    # `dvc repro` runs the dvc.yaml of the root, and what its stages depend on anywhere.
    default = {stage for stage in commands if Path(stage.path) == Path(root, paths.DAG)}
    needed = default.union(*(nx.descendants(active, stage) for stage in default))
    _check_sources(stage for stage in needed if not stage.cmd)
    EDITED[:] = sorted(stage.addressing for stage in changed & needed if is_editable(stage))
    # An edge runs from a stage to what it depends on: dependents are ancestors. What reads the
    # data of a .dvc file is stale by the content of what it reads, not because the file changed.
    stale = {stage for stage in changed if stage.cmd}
    stale = stale.union(*(nx.ancestors(active, stage) for stage in stale))
    pipeline = active.subgraph(commands)
    places = {stage.addressing: n for n, stage in enumerate(stages)}
    ordered = nx.lexicographical_topological_sort(
        pipeline.reverse(), key=lambda stage: places[stage.addressing]
    )
    first = priorities(pipeline)
    return [_stage(s, pipeline, root, first[s], s in stale, s in needed) for s in ordered]


def _check_sources(sources: Iterable[Any]) -> None:
    """Raises StageError for data of a .dvc file that is missing: nothing here can make it."""
    for source in sorted(sources, key=lambda source: str(source.addressing)):
        for out in source.outs:
            if not out.exists:
                raise StageError(
                    f"{out} is missing, which {source.addressing} tracks: "
                    f"run `dvc checkout {source.addressing}` or `dvc pull {source.addressing}`"
                )


def is_editable(source: Any) -> bool:
    """Whether a .dvc file takes over an edit of its data.

    One of an import that is not frozen does not: DVC would fetch the data again over the edit.
    """
    return not source.cmd and (source.frozen or not source.is_import)


@contextmanager
def dvc_read_lock(repo: Any, stages: Iterable[Any]) -> Iterator[None]:
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


def _stage(stage: Any, graph: Any, root: str, priority: int, stale: bool, default: bool) -> Stage:
    upstream = sorted(graph.successors(stage), key=lambda other: other.addressing)
    theirs = [path_of(out, root) for other in upstream for out in other.outs]
    outputs = {path_of(out, root): out for out in stage.outs}
    inputs: list[str] = []
    made: list[str] = []
    for dep in [] if stage.frozen else [path_of(d, root) for d in stage.deps if is_file(d)]:
        covered = [path for path in theirs if paths.overlap(path, dep)]
        made += covered
        inputs += covered or [dep]
    meta = stage.meta or {}
    return Stage(
        name=stage.addressing,
        desc=stage.desc or "",
        inputs=sorted({*inputs} - {str(paths.PARAMS)}),
        made=sorted({*made}),
        outputs=sorted(outputs),
        results=sorted(path for path, out in outputs.items() if _is_result(path, out)),
        upstream=[other.addressing for other in upstream],
        threads=int(meta.get("threads", 1)),
        mem_mb=int(meta.get("mem_mb", 1000)),
        gpu=int(meta.get("gpu", 0)),
        priority=priority,
        stale=stale,
        default=default,
    )


def _is_result(path: str, out: Any) -> bool:
    """Whether an output is a score or a plot; a record is a metric for the run cache's sake."""
    return bool(out.metric or out.plot) and not paths.overlap(path, str(paths.RECORDS))


def path_of(item: Any, root: str) -> str:
    """The path of an output or a dependency: from the root, or absolute outside of it."""
    path = str(item.fs_path)
    return os.path.relpath(path, root) if path.startswith(f"{root}{os.sep}") else path


def is_file(dep: Any) -> bool:
    """Whether a dependency is a file or folder here, not params, a data set or a remote file."""
    from dvc.dependency import DatasetDependency, ParamsDependency

    return dep.protocol == "local" and not isinstance(dep, DatasetDependency | ParamsDependency)


def is_folder(path: str) -> bool:
    """Whether an output is a folder: by our convention, files have a suffix."""
    return not Path(path).suffix


def use_this_environment() -> None:
    """Let jobs find the `dvc` and `tandem` that belong to the Python that runs Snakemake.

    Stages learn that Snakemake runs them, and Python among their commands prints without delay.
    """
    os.environ[stage_output.ENGINE] = "snakemake"
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if here not in path:
        os.environ["PATH"] = os.pathsep.join([here, *path])


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End Snakemake as `tandem` ends on a user's mistake: one line, exit code 2.

    Left to itself, Snakemake would add every line of code that the error came through.
    """
    try:
        yield
    except (TandemError, OSError) as error:
        print(format_error(error), file=sys.stderr)
        sys.exit(2)


def acquire_run_lock() -> IO[str]:
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


def start_server(run_lock: IO[str]) -> int | None:
    """Fork the server that runs stages; it ends when the returned file is closed."""
    if READ is None or not any(stage.stale for stage in read_plan()):
        return None
    return stage_server.start(READ, run_lock.fileno())


def leave_outputs_to_dvc() -> None:
    """Have Snakemake remove no output, neither before a job nor after one that failed.

    DVC removes the outputs of a stage that it runs. It skips a stage whose inputs turn out
    unchanged, which it can do only while the outputs are there.
    """
    from snakemake.jobs import Job

    async def remove_logs(job: Any) -> None:
        for file in job.log:
            await file.remove(remove_non_empty_dir=False)

    async def remove_none(_job: Any, skip_outputs: Sequence[Any]) -> None:
        pass

    Job.remove_existing_output = remove_logs
    Job.cleanup = remove_none


def say_nothing() -> None:
    """Replace Snakemake's message about jobs without metadata: DVC may have run these stages."""


def schedule_at_once(scheduler: Any) -> None:
    """Skip work before each selection of jobs that only clusters or other schedulers need.

    A limit on jobs per second protects a cluster's scheduler. With a limit, Snakemake selects jobs
    again one second after each selection, and once more for each job that has ended. Snakemake
    also reads the input sizes of all ready jobs; they matter only if jobs with large inputs come
    first, which profiles/default switches off.
    """

    async def measure_nothing(_jobs: Any) -> None:
        pass

    scheduler.job_rate_limiter = None
    chosen_by = scheduler._scheduler.settings
    if getattr(chosen_by, "omit_prioritize_by_temp_and_input", False):
        scheduler.update_input_sizes = measure_nothing


def back_up_dvc_lock() -> None:
    """Keep a copy of dvc.lock: DVC writes it in place, and a kill can leave it empty."""
    if paths.LOCK.exists():
        STATE.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.LOCK, STATE / paths.LOCK.name)


def clear_incomplete_marks() -> None:
    """Forget what Snakemake was making when it was stopped, unless another one still is.

    It would refuse to go on, or make again what DVC knows to be right, since a stage writes all of
    its outputs or none.
    """
    with suppress(StageError), acquire_run_lock():
        for mark in INCOMPLETE.glob("**/*"):
            if mark.is_file():
                mark.unlink()


def restore_dvc_lock() -> None:
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
    if (kept.exists() and kept.read_text(encoding="utf-8") == text) or is_complete(text):
        return
    print(
        f"tandem: {paths.LOCK} was cut short by a crash; restored, nothing is lost", file=sys.stderr
    )
    paths.LOCK.unlink()
    if kept.exists():
        shutil.copyfile(kept, paths.LOCK)


def is_complete(text: str) -> bool:
    """Whether the text of a dvc.lock ends where DVC ends it."""
    from ruamel.yaml.error import YAMLError

    try:
        content = io.parse_yaml(text)
    except YAMLError:
        return False
    return text.endswith("\n") and isinstance(content, dict) and "stages" in content
