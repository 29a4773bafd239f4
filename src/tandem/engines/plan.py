"""Plan a run for the Snakefile: list the stages of the pipeline and find the stale ones.

Snakemake's main process plans the run once, through DVC's internal API. DVC compares the contents
of files to find the stages that have changed. All stages downstream of a changed stage are stale
too, because their inputs may change:

    fetch ── clean ── split ── train          a param of `clean` was edited:
      │                 └───── baseline       clean, split, train and baseline are stale
      └── (up to date)

Each job runs in its own process, which reads the Snakefile again but loads the plan from a file.
"""

import gc
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from tandem.core import io, params, params_check, paths
from tandem.core.errors import StageError, TandemError, format_error
from tandem.engines import dvc_stages, locks, stage_output, stage_server, torch_server
from tandem.engines.locks import STATE
from tandem.patches import dvc as dvc_patches

CODE = "code"
"""The stage that writes digests of the code of all other stages; it is run during planning."""
PLAN = STATE / "plan.json"
CHECKED = STATE / "checked"
"""A file with a digest of params.yaml and the code, at the last check that found no mistakes."""


@dataclass(frozen=True)
class Stage:
    """A DVC stage with the fields that its Snakemake rule needs; paths are relative to the root."""

    name: str
    desc: str
    inputs: list[str]
    """The files of the project, and the outputs of other stages, that this stage reads."""
    outputs: list[str]
    results: list[str]
    """The subset of `outputs` that `snakemake --report` shows."""
    upstream: list[str]
    threads: int
    mem_mb: int
    gpu: int
    priority: int
    """Stages with a higher priority start first."""
    stale: bool
    default: bool
    """Whether `dvc repro` and `snakemake`, called without targets, run the stage if it is stale."""

    @property
    def target(self) -> str:
        """The stage as a target of `dvc repro`, with the path of its dvc.yaml: `dvc.yaml:train`.

        Without the path, DVC could mistake the stage's name for the name of a file.
        """
        return self.name if ":" in self.name else f"{paths.DAG}:{self.name}"

    @property
    def group(self) -> str:
        """The stage's name without its matrix key: `train` for `train@sentiment`."""
        return self.name.partition("@")[0]

    @property
    def trigger_file(self) -> Path:
        """A file that makes Snakemake run a stale stage, because it is newer than the outputs."""
        return STATE / "stale" / self.name

    @property
    def log_file(self) -> Path:
        """The log file of the stage's last job."""
        return stage_output.log_of(self.name)


@dataclass
class Plan:
    """All stages of a run, and the objects that the main process needs to execute them."""

    stages: list[Stage]
    """The stages, in topological order."""
    pipeline: stage_server.Pipeline | None = None
    """The pipeline as DVC read it for planning; the stage server uses it."""
    edited_sources: list[str] = field(default_factory=list)
    """The .dvc files whose data was edited and is read by a stage that is run by default."""
    run_lock: IO[str] | None = None
    """The lock of the run, which is held until this process ends."""
    servers: tuple[object, ...] = ()
    """Open pipes to the servers; a server ends when its pipe closes."""

    def start(self) -> None:
        """Before the first job, lock the folder and update the .dvc files whose data was edited.

        Raises:
            StageError: another Snakemake process runs in this folder, or DVC cannot store the data.
        """
        self.run_lock = locks.acquire_run_lock()
        if self.pipeline is not None:
            add_sources(self.pipeline, self.edited_sources)

    def start_servers(self) -> None:
        """Start the servers that jobs on this machine use, if any stage is stale."""
        stale = [stage.name for stage in self.stages if stage.stale]
        if not stale or self.pipeline is None or self.run_lock is None:
            return
        # The stage server is forked, so start it before anything that starts threads or processes.
        stages_pipe = stage_server.start(self.pipeline, self.run_lock.fileno())
        self.servers = stages_pipe, torch_server.start_server(stale)


def make_plan() -> Plan:
    """Plan a run: read the stages, find the stale ones, write the plan and the trigger files.

    Raises:
        ParamsError: params.yaml is not valid; the message names all mistakes.
        StageError: dvc.yaml or dvc.lock cannot be read, or another command has locked the project.
    """
    with io.gc_paused():  # garbage collection would free little: the objects stay in use
        check_params()
        locks.restore_dvc_lock()
        locks.clear_incomplete_marks()
        plan = load_stages()
        locks.back_up_dvc_lock()
        gc.freeze()  # later garbage collections skip these objects, which are kept until exit
    shutil.rmtree(STATE / "stale", ignore_errors=True)
    for stage in plan.stages:
        if stage.stale:
            stage.trigger_file.parent.mkdir(parents=True, exist_ok=True)
            # Snakemake also compares small inputs by checksum, so the content must change too.
            stage.trigger_file.write_text(f"{stage.name} {os.getpid()} {os.urandom(8).hex()}\n")
    PLAN.parent.mkdir(parents=True, exist_ok=True)
    PLAN.write_text(json.dumps([asdict(stage) for stage in plan.stages]), encoding="utf-8")
    return plan


def read_plan() -> Plan:
    """Read the plan that the main process wrote; called in the process of each job."""
    return Plan([Stage(**stage) for stage in json.loads(PLAN.read_text(encoding="utf-8"))])


def check_params() -> None:
    """Check params.yaml if the file or the code has changed since the last successful check.

    The check takes seconds, because some plug-ins import torch in the module that defines their
    params.
    """
    if CHECKED.exists() and CHECKED.read_text() == _params_digest():
        return
    params_check.check(params.read(), dvc_stages.sections)
    remember_check()


def remember_check() -> None:
    """Record that params.yaml has been found valid for the current code."""
    STATE.mkdir(parents=True, exist_ok=True)
    CHECKED.write_text(_params_digest())


def _params_digest() -> str:
    """A digest of params.yaml and all code of Tandem, since any module may affect the check."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256()
    for path in [*sources, paths.PARAMS]:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def load_stages() -> Plan:
    """Read the pipeline with DVC and find out which stages are stale.

    Raises:
        StageError: DVC cannot read the pipeline, another command has locked the project, or data
            that a .dvc file tracks is missing.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo
    from tqdm import tqdm  # type: ignore[import-untyped]

    if not paths.DAG.exists():
        raise StageError(
            f"there is no {paths.DAG} here: run the command in the root of the project"
        )
    dvc_patches.patch_planning()
    tqdm.monitor_interval = 0  # without tqdm's monitor thread, it is safe to fork the stage server
    try:
        repo = Repo(os.curdir, _wait_for_lock=True)  # not closed: the stage server uses it
        with lock_repo(repo):
            index = repo.index
            graph = index.graph
            refresh(stage_server.pipeline(repo, index.stages), CODE)
            plan = _plan(repo, index.stages, graph)
            plan.pipeline = stage_server.pipeline(repo, index.stages)
        return plan
    except LockError as error:
        raise StageError(
            f"another command is running in this project; wait for it to end: {_one_line(error)}"
        ) from error
    except DvcException as error:
        raise StageError(f"DVC cannot read the pipeline: {_one_line(error)}") from error


def refresh(pipeline: stage_server.Pipeline, name: str) -> None:
    """Run the fast stage `name` now if it is stale, so that planning sees its new outputs.

    If the run does not change the outputs, the stages that depend on them do not become stale.
    Nothing happens if there is no stage `name`, or if it is up to date. Call this function while
    DVC's lock is held, before anything reads the outputs of the stage.

    Raises:
        StageError: the stage failed; the stage has printed the reason.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    stage = pipeline.stages.get(name)
    if stage is None or not stage.cmd:
        return
    try:
        with quiet_dvc():
            pipeline.reproduce(name)
    except LockError:
        raise
    except DvcException as error:
        reason = error.__cause__ or error  # DVC's own message only names the stage
        raise StageError(f"stage {name} failed: {_one_line(reason)}") from error


def add_sources(pipeline: stage_server.Pipeline, sources: Iterable[str]) -> None:
    """Update the .dvc files in `sources`, whose data was edited, as `dvc repro` does.

    DVC copies the data into its cache; the data itself is not changed.

    Raises:
        StageError: DVC cannot read or store the data.
    """
    from dvc.exceptions import DvcException

    try:
        with quiet_dvc():
            for source in sources:
                pipeline.reproduce(source)
    except DvcException as error:
        raise StageError(_one_line(error)) from error


def _one_line(error: BaseException) -> str:
    """The message of an error on one line, with whitespace collapsed to single spaces."""
    return " ".join(str(error).split())


@contextmanager
def quiet_dvc() -> Iterator[None]:
    """Let DVC, and the commands that it runs, print only warnings and errors."""
    from dvc.logger import set_loggers_level

    sys.stdout.flush()
    stdout = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        with set_loggers_level(logging.WARNING):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(null)


def _plan(repo: Any, stages: Sequence[Any], graph: Any) -> Plan:
    """The plan: the stages that run commands, and the .dvc files whose data was edited."""
    import networkx as nx
    from dvc.repo.reproduce import get_active_graph

    root = str(Path.cwd())
    active = get_active_graph(graph)  # this graph omits the dependencies of frozen stages
    commands = [stage for stage in stages if stage.cmd]
    changed = dvc_patches.changed_stages(repo, graph)

    # `dvc repro` runs the stages of the root's dvc.yaml, and all stages that they depend on, in any
    # folder.
    default = {stage for stage in commands if Path(stage.path) == Path(root, paths.DAG)}
    needed = default.union(*(nx.descendants(active, stage) for stage in default))
    _check_sources(stage for stage in needed if not stage.cmd)
    edited = sorted(stage.addressing for stage in changed & needed if is_editable(stage))

    # An edge of the graph runs from a stage to one of its dependencies, so dependents are
    # ancestors. A stage that reads the data of a .dvc file is stale if the data changed, but not if
    # only the .dvc file itself changed.
    stale = {stage for stage in changed if stage.cmd}
    stale = stale.union(*(nx.ancestors(active, stage) for stage in stale))

    # Stages that do not depend on each other keep their order in dvc.yaml.
    pipeline = active.subgraph(commands)
    positions = {stage.addressing: index for index, stage in enumerate(stages)}
    ordered = nx.lexicographical_topological_sort(
        pipeline.reverse(), key=lambda stage: positions[stage.addressing]
    )
    priority = priorities(pipeline)
    planned = [_stage(s, pipeline, root, priority[s], s in stale, s in needed) for s in ordered]
    return Plan(planned, edited_sources=edited)


def _check_sources(sources: Iterable[Any]) -> None:
    """Raise StageError if data that a .dvc file tracks is missing; no stage can produce it."""
    for source in sorted(sources, key=lambda source: str(source.addressing)):
        for out in source.outs:
            if not out.exists:
                raise StageError(
                    f"{out}, which {source.addressing} tracks, is missing: "
                    f"run `dvc checkout {source.addressing}` or `dvc pull {source.addressing}`"
                )


def is_editable(source: Any) -> bool:
    """Whether DVC accepts edits of the data that a .dvc file tracks.

    DVC does not accept edits of an import that is not frozen: it would fetch the data again and
    overwrite the edits.
    """
    return not source.cmd and (source.frozen or not source.is_import)


def priorities(graph: Any) -> dict[Any, int]:
    """The priorities of stages: by longest chain of dependents, then by number of dependents.

    Ties go to the stage with the most dependencies, which might otherwise start last and, if it
    takes long, run alone at the end.

    Args:
        graph: The stages; edges run from each stage to its dependencies.
    """
    import networkx as nx

    chain: dict[Any, int] = {}
    dependents: dict[Any, set[Any]] = {}
    size = len(graph)
    for stage in nx.topological_sort(graph):  # dependents come first
        direct = list(graph.predecessors(stage))
        chain[stage] = max((chain[other] + 1 for other in direct), default=0)
        dependents[stage] = {*direct}.union(*(dependents[other] for other in direct))
    dependencies = {stage: len(nx.descendants(graph, stage)) for stage in graph}
    return {s: (chain[s] * size + len(dependents[s])) * size + dependencies[s] for s in graph}


def _stage(stage: Any, graph: Any, root: str, priority: int, stale: bool, default: bool) -> Stage:
    """Convert a DVC stage to a `Stage`; its inputs are project files and other stages' outputs."""
    upstream = sorted(graph.successors(stage), key=lambda other: other.addressing)
    upstream_outputs = [path_of(out, root) for other in upstream for out in other.outs]
    outputs = {path_of(out, root): out for out in stage.outs}

    # A folder that a stage reads may contain outputs of several stages, or be part of an output.
    inputs: list[str] = []
    for dep in [] if stage.frozen else [path_of(d, root) for d in stage.deps if is_file(d)]:
        covered = [path for path in upstream_outputs if paths.overlap(path, dep)]
        inputs += covered or [dep]

    meta = stage.meta or {}
    return Stage(
        name=stage.addressing,
        desc=stage.desc or "",
        inputs=sorted({*inputs} - {str(paths.PARAMS)}),
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
    """Whether an output is a metrics file or a plot.

    Run records are excluded: they are declared as plots only so that DVC saves the stage in its
    run cache.
    """
    return bool(out.metric or out.plot) and not paths.overlap(path, str(paths.RECORDS))


def path_of(item: Any, root: str) -> str:
    """The path of an output or a dependency: relative to the root, or absolute if outside of it."""
    path = str(item.fs_path)
    return os.path.relpath(path, root) if path.startswith(f"{root}{os.sep}") else path


def is_file(dep: Any) -> bool:
    """Whether a dependency is a local file or folder, not params, a dataset or a remote file."""
    from dvc.dependency import DatasetDependency, ParamsDependency

    return dep.protocol == "local" and not isinstance(dep, DatasetDependency | ParamsDependency)


def is_folder(path: str) -> bool:
    """Whether an output is a folder: by convention, only files have a suffix."""
    return not Path(path).suffix


def use_this_environment() -> None:
    """Let jobs find the `dvc` and `tandem` commands of the environment that Snakemake runs in.

    Also set the environment variables that tell stages that they run under Snakemake, and that make
    the output of Python unbuffered.
    """
    os.environ[stage_output.ENGINE] = "snakemake"
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    folder = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if folder not in path:
        os.environ["PATH"] = os.pathsep.join([folder, *path])


def refuse_config(config: Mapping[str, object]) -> None:
    """Raise StageError if Snakemake was given a config, which no stage would read."""
    if config:
        keys = ", ".join(sorted(config))
        raise StageError(
            f"the pipeline does not read Snakemake's config ({keys}): remove --config and "
            "--configfile, and set values in params.yaml or with `dvc exp run -S KEY=VALUE`"
        )


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """On a user error, exit as `tandem` does: with a one-line message and exit code 2.

    By itself, Snakemake would print a traceback.
    """
    try:
        yield
    except (TandemError, OSError) as error:
        print(format_error(error), file=sys.stderr)
        sys.exit(2)
