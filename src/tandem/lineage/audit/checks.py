"""`tandem audit` tells whether records, dvc.lock, artifacts, code, params and pins agree.

    dvc.yaml ── declares ── record ── derives ── dvc.lock
                              │
            params, packages, code and artifacts on disk, inputs against whoever wrote them

A record holds all that a stage's entry in dvc.lock says, and SHA-256 beside it; so the lock is
rebuilt from the record and has to be the same, to the last size. What is on disk is hashed. What
DVC carries and is not here (a partial pull, dvc gc) is counted, no fault; what Git carries must be
here. Every finding names the place and the fault.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths
from tandem.core import provenance as digests
from tandem.core.errors import LineageError, TandemError
from tandem.core.provenance import Digest, RunRecord, StageCode, StageSpec, find_pins, value_of_key
from tandem.engines import code_closure, dvc_stages
from tandem.lineage import graph as graphs
from tandem.lineage.audit import dvc_lock as locks
from tandem.lineage.audit.findings import Audit, Finding
from tandem.lineage.graph import Graph, is_own_file, record_of
from tandem.lineage.queries.targets import SUMMARY
from tandem.report import scores

DigestReader = Callable[[str], Digest | None]
"""What lies at a path, with the files of a folder; None if nothing does."""


def run(root: Path = Path(), look: DigestReader | None = None) -> Audit:
    """Audit the project in `root`; `look` finds artifacts elsewhere, as in DVC's cache."""
    done = Audit()
    look = look or on_disk(root)
    try:
        wanted = {stage.name: stage for stage in dvc_stages.stages(root)}
        content = params.read(root / paths.PARAMS)
        runtime = params.project(dict(content)).runtime
        lock = locks.read(root)
        graph = _read_records(root, wanted, done)
    except TandemError as error:
        done.findings.append(Finding(str(root / paths.DAG), str(error)))
        return done
    done.stages = len(wanted)
    seen = _CachedReader(look)
    done.findings += _stages(wanted, lock, graph)
    locked = _versions(root, done)
    codes = _codes(root, wanted, done)
    for name, record in graph.records.items():
        if name in wanted:
            done.findings += _declared(wanted[name], record)
            done.findings += _code(wanted[name], record, codes, root)
            done.findings += locks.differences(wanted[name], record, lock.get(name), root)
        if graphs.describes_code(record):
            done.findings += _described(record, codes) if codes else []
        else:
            done.findings += _inputs(record, graph, seen)
        done.findings += _outputs(record, wanted.get(name), seen, done)
        done.findings += _settings(record, content, runtime, locked, seen)
    done.findings += _summary(root, content)
    done.hashed = seen.count
    done.findings = sorted(set(done.findings))
    return done


class _CachedReader:
    """What was looked at, each path once."""

    def __init__(self, look: DigestReader) -> None:
        self.look, self.known = look, dict[str, Digest | None]()

    def __call__(self, path: str) -> Digest | None:
        if path not in self.known:
            self.known[path] = self.look(path)
        return self.known[path]

    @property
    def count(self) -> int:
        """Files that were hashed."""
        return sum(digest.nfiles or 1 for digest in self.known.values() if digest)


def on_disk(root: Path) -> DigestReader:
    """Finds artifacts in the folder `root`."""

    def look(path: str) -> Digest | None:
        at = root / path
        try:
            return digests.digest(at, files=True) if at.exists() else None
        except OSError as error:  # a link to nothing, a file of another user
            problem = f"{error.filename or path} cannot be read: {error.strerror}"
            raise LineageError(f"{problem}; mend it, or remove it") from None

    return look


def _read_records(root: Path, wanted: Mapping[str, StageSpec], done: Audit) -> Graph:
    """The graph of the records that can be read; what cannot, or lies in a wrong place, is told."""
    places = {stage.record: stage.name for stage in wanted.values()}
    records = []
    for path in graphs.files(root):
        where = path.relative_to(root)
        try:
            record = graphs.parse(path.read_bytes(), where)
        except LineageError as error:
            done.findings.append(Finding(str(where), str(error)))
            continue
        if str(where) not in places:
            done.findings.append(Finding(str(where), "no stage of dvc.yaml writes this record"))
        elif record.stage != places[str(where)]:
            problem = f"is the record of {record.stage}, not of {places[str(where)]}"
            done.findings.append(Finding(str(where), problem))
        else:
            records.append(record)
    return Graph.of(records)


def _stages(
    wanted: Mapping[str, StageSpec], lock: Mapping[str, Any], graph: Graph
) -> list[Finding]:
    """Stages that dvc.yaml, dvc.lock and the records do not all have."""
    found = []
    for name in sorted({*wanted, *lock, *graph.records}):
        if name not in wanted:
            problem = "dvc.yaml has no such stage: remove its entry and files"
            found.append(Finding(f"dvc.lock: {name}", problem))
        elif name not in lock:
            problem = "the stage has no entry: it has not been run"
            found.append(Finding(f"dvc.lock: {name}", problem))
        if name in wanted and name not in graph.records:
            found.append(Finding(record_of(name), "the stage's record is missing"))
    return found


def _declared(stage: StageSpec, record: RunRecord) -> Iterator[Finding]:
    """Where the record is of another stage than dvc.yaml now declares."""
    outs = {*stage.outs} - {stage.record}
    for what, one, other in (
        ("command", {stage.command}, {record.command}),
        ("deps", {*stage.deps}, {*record.inputs}),
        ("params", {*stage.params}, {*record.params}),
        ("outs", outs, {*record.outputs}),
    ):
        if one != other:
            names = ", ".join(sorted(one ^ other))
            yield Finding(stage.record, f"its {what} are not those of dvc.yaml: {names}")


def _codes(root: Path, wanted: Mapping[str, StageSpec], done: Audit) -> dict[str, StageCode]:
    """The code of each stage as it is in `root`, by the path of its file in workflow/code."""
    try:
        return code_closure.of_stages(wanted.values(), root)
    except (TandemError, OSError, ValueError) as error:
        done.findings.append(Finding(str(root / paths.SOURCE), " ".join(str(error).split())))
        return {}


def _code(
    stage: StageSpec, record: RunRecord, codes: Mapping[str, StageCode], root: Path
) -> Iterator[Finding]:
    """Where a stage ran other code than is here; the very files, if its list of them is here."""
    read, code = record.inputs.get(stage.code), codes.get(stage.code)
    if read is None or code is None:
        return
    if code.packages != record.packages:
        yield Finding(stage.record, f"its packages are not those of {paths.REQUIREMENTS}")
    if _digest(code) == _without_files(read):
        return
    kept = root / stage.code
    if not kept.is_file() or digests.file_digest(kept) != _without_files(read):
        yield Finding(stage.record, f"{stage.name} ran other code than is in {paths.SOURCE}")
        return
    ran, here = digests.read_code(kept).files, code.files
    for name in sorted({*ran, *here}):
        if ran.get(name) != here.get(name):
            yield Finding(f"{paths.SOURCE}/{name}", f"is not the code that {stage.name} ran")


def _described(record: RunRecord, codes: Mapping[str, StageCode]) -> Iterator[Finding]:
    """Where the files of workflow/code are not what the stage `code` would write now.

    The audit computes them again, so the inputs of that stage need not be the same: a comment
    changes those, and nothing else.
    """
    for path, wrote in record.outputs.items():
        files = {
            str(Path(name).relative_to(path)): _digest(code)
            for name, code in codes.items()
            if paths.overlap(path, name)
        }
        now = files["."] if "." in files else digests.folder_digest(files)
        if now != _without_files(wrote):
            yield Finding(path, f"is not what {record.stage} would write now: run `dvc repro`")


def _digest(code: StageCode) -> Digest:
    return digests.bytes_digest(io.json_bytes(code.model_dump()))


def _inputs(record: RunRecord, graph: Graph, seen: _CachedReader) -> Iterator[Finding]:
    """Where an input is not what its maker wrote, or what nobody makes is not what was read."""
    where = record_of(record.stage)
    for path, digest in record.inputs.items():
        made = graph.expected_digest(path)
        if made is not None:
            if _without_files(made) != _without_files(digest):
                makers = ", ".join(graph.producers_of(path))
                yield Finding(where, f"it read another {path} than {makers} wrote")
            if path not in graph.producers and path in graph.inside:
                yield from _unexpected_files(path, made, record.stage, seen)
            continue
        here = seen(path)
        if here is None:
            yield Finding(path, f"is missing; {record.stage} read it")
        elif _without_files(here) != _without_files(digest):
            yield Finding(path, f"is not what {record.stage} read: it changed since")


def _unexpected_files(
    path: str, made: Digest, stage: str, seen: _CachedReader
) -> Iterator[Finding]:
    """Files in a folder above several outputs that no stage wrote, though one reads them."""
    here = seen(path)
    found = here.files if here else None
    for name in sorted({*(found or ())} - {*graphs.files_of(made)}):
        yield Finding(f"{path}/{name}", f"no stage wrote it, and {stage} reads it: remove it")


def _outputs(
    record: RunRecord, stage: StageSpec | None, seen: _CachedReader, done: Audit
) -> Iterator[Finding]:
    """Where an artifact is not what its stage wrote, or is gone though Git carries it."""
    for path, digest in record.outputs.items():
        if digest.files is not None and _without_files(
            digests.folder_digest(digest.files)
        ) != _without_files(digest):
            yield Finding(record_of(record.stage), f"its files of {path} are not its digest")
        here = seen(path)
        if here is None:
            if stage and path in stage.in_git:
                yield Finding(path, f"is missing; {record.stage} wrote it and Git carries it")
            else:
                done.absent.append(path)
        elif here != digest:
            done.changed.append(path)
            yield from _named(path, digest, here, record.stage)


def _named(path: str, digest: Digest, here: Digest, stage: str) -> Iterator[Finding]:
    """The very files of an artifact that differ."""
    wrote, found = graphs.files_of(digest), graphs.files_of(here)
    names = sorted(n for n in {*wrote, *found} if wrote.get(n) != found.get(n))
    for name in names or [""]:
        state = "is not what" if name in found else "is missing, which"
        if name not in wrote:
            state = "is not of what"
        yield Finding(f"{path}/{name}" if name else path, f"{state} {stage} wrote")


def _without_files(digest: Digest) -> Digest:
    return digest.model_copy(update={"files": None})


def _settings(
    record: RunRecord,
    content: Mapping[str, Any],
    runtime: params.Runtime,
    locked: Mapping[str, str],
    seen: _CachedReader,
) -> Iterator[Finding]:
    """Where params, seed, pins, sources, pinned files or packages are not those of the record.

    A stage that does not declare `runtime` is not run again when it changes.
    """
    where = record_of(record.stage)
    for key, value in record.params.items():
        if not locks.same(value_of_key(content, key), value):
            yield Finding(f"{paths.PARAMS}: {key}", f"is not what {record.stage} ran with")
    if record.sources != list(find_pins(record.params)):
        yield Finding(where, "its sources are not the pins of its params")
    pinned_by = (runtime.seed, determinism.pins(runtime))
    if "runtime" in record.params and (record.seed, record.pins) != pinned_by:
        yield Finding(where, "its seed or pins are not those of params.yaml's runtime")
    for pin in filter(is_own_file, record.sources):
        here = seen(pin["path"])
        if here is not None and here.sha256 != pin["sha256"]:
            yield Finding(pin["path"], f"is not the file that {record.stage} read")
    for package, version in record.packages.items():
        if locked.get(package) != version:
            told = locked.get(package, "none")
            yield Finding(where, f"it ran with {package} {version}; requirements.lock has {told}")


def _versions(root: Path, done: Audit) -> dict[str, str]:
    """The versions of requirements.lock, to which the packages of each record are held."""
    try:
        locked = code_closure.locked_versions(root)
    except (OSError, ValueError):
        done.findings.append(Finding(str(paths.REQUIREMENTS), "cannot be read: restore it"))
        return {}
    return locked


def _summary(root: Path, content: Mapping[str, Any]) -> Iterator[Finding]:
    """Rows of the summary that the metrics do not say."""
    path = root / SUMMARY
    if not path.exists():
        return
    try:
        told = io.read_json(path)
        project = params.project(dict(content))
        rows = scores.summary(scores.gather(scores.load(root / paths.DETAILS, project), project))
    except (ValueError, TypeError, KeyError, AttributeError, TandemError) as error:
        yield Finding(
            SUMMARY, f"cannot be compared with the metrics: {' '.join(str(error).split())}"
        )
        return
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        yield Finding(SUMMARY, "is no list of rows")
        return
    for number, row in enumerate(told):
        if row not in rows:
            told_of = "/".join(str(row.get(key)) for key in ("task", "variant", "metric"))
            yield Finding(f"{SUMMARY}#{number}", f"{told_of} is not what the metrics say")
    if told != rows:
        yield Finding(SUMMARY, f"its {len(told)} rows are not the {len(rows)} of the metrics")
