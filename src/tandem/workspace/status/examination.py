"""Compare each stage with its entry in dvc.lock; nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo.reproduce import get_active_graph
from dvc.scm import NoSCM

from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.core.wording import counted
from tandem.engines import plan
from tandem.workspace.read_only import lenient_locks, read_only_repo
from tandem.workspace.status.code_changes import CodeChanges
from tandem.workspace.status.contents import Contents, differing
from tandem.workspace.status.param_changes import param_changes
from tandem.workspace.status.processes import running, snakemake_head
from tandem.workspace.status.report import MAX_NAMES, Reason, StageStatus, Status, listed

PULL = "`dvc pull` restores it"


def examine() -> Status:
    """The status of the project in the current folder.

    Raises:
        StageError: dvc.yaml, params.yaml or a source file cannot be read.
    """
    notes: list[str] = []
    with io.gc_paused(), read_only_repo() as repo, lenient_locks(notes):
        try:
            examination = _Examination(repo, running(Path(repo.root_dir)))
            stages = examination.statuses()
        except DvcException as error:
            problem = " ".join(str(error).split())
            raise StageError(f"DVC cannot read the pipeline: {problem}") from error
        pulled = any(reason.cure == PULL for stage in stages for reason in stage.reasons)
        if pulled and not repo.config["core"].get("remote"):
            notes.append("`dvc pull` needs a remote: see `dvc remote add --default`")
    if head := snakemake_head():
        notes.append(f"{head} is running in this project")
    return Status(stages, notes)


class _Examination:
    """Compares each stage with its entry in dvc.lock.

    Stages, outputs and dependencies are DVC's own objects; the `hash_info` of an output or a
    dependency is the hash in dvc.lock or in a .dvc file.
    """

    def __init__(self, repo: Any, running: Mapping[str, str]) -> None:
        self.repo = repo
        self.running = running
        self.root = str(repo.root_dir)
        self.contents = Contents(repo)
        self.code = CodeChanges(self.contents, self._code_is_current)
        graph = repo.index.graph
        self.active = get_active_graph(graph)  # in this graph, frozen stages have no dependencies
        default = [s for s in repo.index.stages if s.cmd and Path(s.path) == self._dag]
        needed = {*default}.union(*(nx.descendants(self.active, stage) for stage in default))
        positions = {stage: position for position, stage in enumerate(repo.index.stages)}
        # An edge runs from a stage to a stage that it depends on.
        flow = self.active.subgraph(needed).reverse()
        self.stages = list(nx.lexicographical_topological_sort(flow, key=positions.__getitem__))

    @property
    def _dag(self) -> Path:
        return Path(self.root, paths.DAG)

    def statuses(self) -> list[StageStatus]:
        """The status of each stage, in topological order."""
        done: dict[Any, StageStatus] = {}
        for stage in self.stages:
            if stage.cmd:
                done[stage] = self._status(stage, [done[s] for s in self._upstream(stage)])
            else:
                done[stage] = self._source_status(stage)
        return list(done.values())

    def _upstream(self, stage: Any) -> list[Any]:
        """The stages whose outputs a stage reads, except `code`.

        The stage `code` is left out, because `CodeChanges` computes what it would write.
        """
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
        """Whether a stage's only problem is that outputs are missing.

        Also true for a stage that has never run and lacks an output.
        """
        if not {reason.kind for reason in changes} <= {"new"}:
            return False
        outs = [out for out in stage.outs if out.protocol == "local"]
        here = [self.contents.here(out.fs_path, out) for out in outs]
        if changes:
            return None in here
        written = [out.hash_info.value for out in outs]
        return all(now is None or now.md5 == md5 for now, md5 in zip(here, written, strict=True))

    def _source_status(self, source: Any) -> StageStatus:
        """The state of a .dvc file, which tracks data that no stage produces."""
        status = StageStatus(source.addressing, "fresh")
        for out in source.outs:
            path, here = self._path(out), self.contents.here(out.fs_path, out)
            if here is None:
                status.state = "missing"
                status.reasons.append(self._absent(out, path))
            elif here.md5 != out.hash_info.value:
                status.state = "stale"
                problem = "was edited; the next run uses the edited data"
                if not plan.is_editable(source):
                    problem = "was edited, and `dvc repro` would fetch it again"
                status.reasons.append(Reason("data", path, problem))
            elif out.use_cache and not self.contents.is_cached(here.md5):
                status.state = "missing"
                status.reasons.append(self._uncached(source, path))
        return status

    def _process(self, stage: Any) -> str:
        """The process that is currently writing a stage's outputs; empty if there is none."""
        writers = {self.running.get(str(out.fs_path), "") for out in stage.outs}
        return writers.pop() if len(writers) == 1 else ""

    def _changes(self, stage: Any) -> Iterator[Reason]:
        """Why a stage would run, apart from the state of its outputs and of the stages upstream."""
        if stage.frozen:
            return
        lock = stage.dvcfile.lockfile_contents.get("stages", {})
        if stage.name not in lock:
            yield Reason("new", str(paths.LOCK), "has no entry for the stage")
            return
        if stage.deps and not {"deps", "params"} & lock[stage.name].keys():
            problem = "has an entry without inputs: two branches changed it"
            yield Reason("new", str(paths.LOCK), problem)
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
        """How a dependency differs from what the stage read in its last run."""
        path = self._path(dep)
        if hasattr(dep, "read_params"):
            yield from param_changes(dep)
        elif not plan.is_file(dep):
            yield from (Reason("data", name, "changed") for name in dep.status())
        elif not dep.hash_info:
            yield Reason("data", path, f"was added to the stage's deps in {paths.DAG}")
        elif self._describes_code(stage, dep):
            yield from self.code.of(stage, path, dep.hash_info.value)
        else:
            yield from self._data_changes(stage, dep)

    # Data

    def _data_changes(self, stage: Any, dep: Any) -> Iterator[Reason]:
        """How a file or folder differs from what the stage read in its last run."""
        path, old = self._path(dep), dep.hash_info.value
        outs = [
            out
            for other in self.repo.index.graph.successors(stage)
            for out in other.outs
            if paths.overlap(str(out.fs_path), str(dep.fs_path))
        ]
        now = self.contents.whole(dep, outs) if outs else self.contents.here(dep.fs_path, dep)
        if now is None and not outs:
            yield Reason("data", path, "is missing")
        elif now is not None and now.md5 not in (old, ""):
            names = differing(self.contents.listed(old), now.files) or [*now.strays]
            if not names and dep.meta.nfiles and now.files is not None:
                counts = f"{counted(len(now.files), 'file')}, {dep.meta.nfiles} before"
                names = [counts] if len(now.files) != dep.meta.nfiles else []
            kind = "code" if paths.is_code(path) else "data"
            yield Reason(
                kind, path, "changed" + (f" ({listed(names, MAX_NAMES)})" if names else "")
            )

    # Outputs

    def _outputs(self, stage: Any) -> Iterator[Reason]:
        """Which outputs are missing, edited or not in DVC's cache."""
        for out in stage.outs:
            path, md5 = self._path(out), out.hash_info.value
            if out.protocol != "local":
                yield from (Reason("output", name, "changed") for name in out.status())
                continue
            if not md5:
                continue  # the stage has not run since the output was added
            here = self.contents.here(out.fs_path, out)
            if here is None:
                yield self._absent(out, path)
            elif here.md5 != md5:
                names = differing(self.contents.listed(md5), here.files)
                shown = f" ({listed(names, MAX_NAMES)})" if names else ""
                yield Reason("output", path, f"was edited{shown}", "the stage recreates it")
            elif out.use_cache and not self.contents.is_cached(md5):
                yield self._uncached(stage, path)

    def _uncached(self, stage: Any, path: str) -> Reason:
        """The reason to report for an unchanged output that has no copy in DVC's cache."""
        cure = f"`dvc commit {stage.addressing}` adds it to the cache"
        return Reason("output", path, "is not in DVC's cache", cure)

    def _absent(self, out: Any, path: str) -> Reason:
        """The reason to report for a missing output, with a way to restore it."""
        if not out.use_cache:
            tracked = not isinstance(self.repo.scm, NoSCM) and self.repo.scm.is_tracked(out.fs_path)
            cure = "`git restore` restores it" if tracked else "the stage recreates it"
        elif out.hash_info and self.contents.is_cached(out.hash_info.value):
            cure = "`dvc checkout` restores it"
        else:
            cure = PULL
        return Reason("output", path, "is not in the workspace", cure)

    def _describes_code(self, stage: Any, dep: Any) -> bool:
        """Whether a dependency is a file that the stage `code` writes."""
        makers = {other.addressing for other in self.repo.index.graph.successors(stage)}
        return plan.CODE in makers and self._path(dep).startswith(f"{paths.CODE}/")

    def _code_is_current(self) -> bool:
        """Whether the files in workflow/code exist and describe the current code."""
        stage = next(stage for stage in self.stages if stage.addressing == plan.CODE)
        return not self._process(stage) and not [*self._changes(stage), *self._outputs(stage)]

    def _path(self, item: Any) -> str:
        return plan.path_of(item, self.root)
