"""Check whether dvc.yaml, records, dvc.lock, artifacts, code, params and pins agree.

    dvc.yaml ── declares ── record ── must equal ── dvc.lock
                              │
                       must agree with
                              │
            params, packages, code, artifacts on disk, inputs as other stages wrote them

A record contains everything in the stage's dvc.lock entry, plus SHA-256 digests. The audit
therefore rebuilds the entry from the record, and compares it with dvc.lock. The audit also hashes
the artifacts on disk, and compares the digests with the record. An artifact that DVC tracks may be
absent, for example after a partial pull or `dvc gc`; absent artifacts are only counted. A file that
Git tracks must exist. Every finding names a location and a problem.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths, provenance
from tandem.core.errors import LineageError, TandemError
from tandem.core.provenance import Digest, RunRecord, StageCode, StageSpec, find_pins, value_of_key
from tandem.core.wording import counted
from tandem.engines import code_closure, dvc_stages
from tandem.lineage import graph as graphs
from tandem.lineage.audit import dvc_lock as locks
from tandem.lineage.audit.findings import Audit, Finding
from tandem.lineage.graph import Graph, is_own_file, record_of
from tandem.lineage.queries.targets import SUMMARY
from tandem.report import scores

DigestReader = Callable[[str], Digest | None]
"""Path → its digest (for a folder, with its files' digests); None if the path does not exist."""


def run(root: Path = Path(), reader: DigestReader | None = None) -> Audit:
    """Audit a project.

    Args:
        root: The project's folder.
        reader: Reads the digests of artifacts; the default reader hashes the artifacts in `root`.
    """
    audit = Audit()
    digests = _CachedReader(reader or on_disk(root))

    # Nothing can be compared without dvc.yaml, params, dvc.lock and a graph of the records.
    try:
        declared = {stage.name: stage for stage in dvc_stages.stages(root)}
        content = params.read(root / paths.PARAMS)
        runtime = params.project(dict(content)).runtime
        lock = locks.read(root)
        graph = _read_records(root, declared, audit)
    except TandemError as error:
        audit.findings.append(Finding(str(root / paths.DAG), str(error)))
        return audit
    audit.stages = len(declared)
    audit.unrecorded = [name for name, stage in declared.items() if not stage.record]
    audit.findings += _stages(declared, lock, graph)
    versions = _versions(root, audit)
    codes = _codes(root, declared, audit)

    # Compare each record with everything that must agree with it.
    for name, record in graph.records.items():
        if name in declared:
            audit.findings += _declared(declared[name], record)
            audit.findings += _code(declared[name], record, codes, root)
            audit.findings += locks.differences(declared[name], record, lock.get(name), root)
        if graphs.describes_code(record):
            audit.findings += _code_files(record, codes) if codes else []
        else:
            audit.findings += _inputs(record, graph, digests)
        audit.findings += _outputs(record, declared.get(name), digests, audit)
        audit.findings += _params(record, content, runtime, digests)
        audit.findings += _packages(record, versions)
    audit.findings += _summary(root, content)
    audit.hashed = digests.count
    audit.findings = sorted(set(audit.findings))
    return audit


class _CachedReader:
    """A digest reader with a cache, which reads each path only once."""

    def __init__(self, reader: DigestReader) -> None:
        self.reader, self.digests = reader, dict[str, Digest | None]()

    def __call__(self, path: str) -> Digest | None:
        if path not in self.digests:
            self.digests[path] = self.reader(path)
        return self.digests[path]

    @property
    def count(self) -> int:
        """The number of files that were hashed."""
        return sum(digest.nfiles or 1 for digest in self.digests.values() if digest)


def on_disk(root: Path) -> DigestReader:
    """A reader that hashes the artifacts in the folder `root`."""

    def read_digest(path: str) -> Digest | None:
        artifact = root / path
        try:
            return provenance.digest(artifact, files=True) if artifact.exists() else None
        except OSError as error:  # for example, a broken link or a missing permission
            problem = f"{error.filename or path} cannot be read: {error.strerror}"
            raise LineageError(f"{problem}; fix or remove it") from None

    return read_digest


def _read_records(root: Path, declared: Mapping[str, StageSpec], audit: Audit) -> Graph:
    """The graph of the valid records. Invalid and misplaced records become findings."""
    stage_of = {stage.record: stage.name for stage in declared.values()}
    records = []
    for path in graphs.files(root):
        where = str(path.relative_to(root))
        try:
            record = graphs.parse(path.read_bytes(), Path(where))
        except LineageError as error:
            audit.findings.append(Finding(where, str(error)))
            continue
        if where not in stage_of:
            audit.findings.append(Finding(where, "no stage of dvc.yaml writes this record"))
        elif record.stage != stage_of[where]:
            problem = f"is the record of {record.stage}, not of {stage_of[where]}"
            audit.findings.append(Finding(where, problem))
        else:
            records.append(record)
    return Graph.of(records)


def _stages(
    declared: Mapping[str, StageSpec], lock: Mapping[str, Any], graph: Graph
) -> Iterator[Finding]:
    """Findings for stages that are missing from dvc.yaml or dvc.lock, or that have no record."""
    for name in sorted({*declared, *lock, *graph.records}):
        if name not in declared:
            fix = "run `tandem clean-up` to remove the stage's entry and files"
            yield Finding(f"dvc.lock: {name}", f"dvc.yaml has no such stage: {fix}")
        elif name not in lock:
            yield Finding(f"dvc.lock: {name}", "the stage has no entry: it has not been run")
        if name in declared and declared[name].record and name not in graph.records:
            yield Finding(record_of(name), "the record of the stage is missing")


def _declared(stage: StageSpec, record: RunRecord) -> Iterator[Finding]:
    """Findings for differences between a record and what dvc.yaml declares."""
    outs = {*stage.outs} - {stage.record}
    for what, expected, recorded in (
        ("commands", {stage.command}, {record.command}),
        ("deps", {*stage.deps}, {*record.inputs}),
        ("params", {*stage.params}, {*record.params}),
        ("outs", outs, {*record.outputs}),
    ):
        if expected != recorded:
            names = ", ".join(sorted(expected ^ recorded))
            yield Finding(stage.record, f"its {what} differ from dvc.yaml: {names}")


def _codes(root: Path, declared: Mapping[str, StageSpec], audit: Audit) -> dict[str, StageCode]:
    """Path of a file in workflow/code → the current code of the stage that depends on the file."""
    try:
        return code_closure.of_stages(declared.values(), root)
    except (TandemError, OSError, ValueError) as error:
        audit.findings.append(Finding(str(root / paths.SOURCE), " ".join(str(error).split())))
        return {}


def _code(
    stage: StageSpec, record: RunRecord, codes: Mapping[str, StageCode], root: Path
) -> Iterator[Finding]:
    """Findings if a stage ran code other than the current code.

    The findings name the source files that differ, unless the stage's file in workflow/code is
    missing or has changed since the run.
    """
    recorded, code = record.inputs.get(stage.code), codes.get(stage.code)
    if recorded is None or code is None:
        return
    if code.packages != record.packages:
        yield Finding(stage.record, f"the recorded packages differ from {paths.REQUIREMENTS}")
    if _digest(code) == _without_files(recorded):
        return
    code_file = root / stage.code
    if not code_file.is_file() or provenance.file_digest(code_file) != _without_files(recorded):
        yield Finding(stage.record, f"{stage.name} ran code that differs from {paths.SOURCE}")
        return
    ran, current = provenance.read_code(code_file).files, code.files
    for name in sorted({*ran, *current}):
        if ran.get(name) != current.get(name):
            yield Finding(f"{paths.SOURCE}/{name}", f"is not the code that {stage.name} ran")


def _code_files(record: RunRecord, codes: Mapping[str, StageCode]) -> Iterator[Finding]:
    """Findings for files in workflow/code whose recorded digests do not match the current code.

    The inputs of the stage that writes these files are not compared, because a change to a comment
    in a source file changes the inputs, but not the files in workflow/code.
    """
    for path, recorded in record.outputs.items():
        files = {
            str(Path(name).relative_to(path)): _digest(code)
            for name, code in codes.items()
            if paths.overlap(path, name)
        }
        now = files["."] if "." in files else provenance.folder_digest(files)
        if now != _without_files(recorded):
            yield Finding(
                path, f"differs from what {record.stage} would write now: run `dvc repro`"
            )


def _digest(code: StageCode) -> Digest:
    return provenance.bytes_digest(io.json_bytes(code.model_dump()))


def _inputs(record: RunRecord, graph: Graph, digests: DigestReader) -> Iterator[Finding]:
    """Findings for inputs whose recorded digest no longer matches their origin.

    The origin of an input is the stage that wrote it or, if no stage did, the file in the project.
    """
    where = record_of(record.stage)
    for path, recorded in record.inputs.items():
        written = graph.expected_digest(path)
        if written is not None:
            if _without_files(written) != _without_files(recorded):
                producers = ", ".join(graph.producers_of(path))
                yield Finding(
                    where, f"{path}, as the stage read it, differs from what {producers} wrote"
                )
            if path not in graph.producers and path in graph.inside:
                yield from _unexpected_files(path, written, record.stage, digests)
            continue
        current = digests(path)
        if current is None:
            yield Finding(path, f"is missing; {record.stage} read it")
        elif _without_files(current) != _without_files(recorded):
            yield Finding(path, f"differs from what {record.stage} read: it has changed since")


def _unexpected_files(
    path: str, written: Digest, stage: str, digests: DigestReader
) -> Iterator[Finding]:
    """Findings for files that no stage wrote, in an input folder that contains several outputs."""
    folder = digests(path)
    files = folder.files if folder and folder.files else {}
    for name in sorted({*files} - {*graphs.files_of(written)}):
        problem = f"was not written by any stage, but {stage} reads it: remove the file"
        yield Finding(f"{path}/{name}", problem)


def _outputs(
    record: RunRecord, stage: StageSpec | None, digests: DigestReader, audit: Audit
) -> Iterator[Finding]:
    """Findings for artifacts that were changed, or that are missing although Git tracks them."""
    for path, digest in record.outputs.items():
        if digest.files is not None and _without_files(
            provenance.folder_digest(digest.files)
        ) != _without_files(digest):
            problem = f"the digest of {path} does not match the digests of its files"
            yield Finding(record_of(record.stage), problem)
        current = digests(path)
        if current is None:
            if stage and path in stage.in_git:
                yield Finding(path, f"is missing; {record.stage} wrote it and Git tracks it")
            else:
                audit.absent.append(path)
        elif current != digest:
            audit.changed.append(path)
            yield from _changed_files(path, digest, current, record.stage)


def _changed_files(path: str, recorded: Digest, current: Digest, stage: str) -> Iterator[Finding]:
    """Findings for files of an artifact that differ from those recorded."""
    written, here = graphs.files_of(recorded), graphs.files_of(current)
    names = sorted(name for name in {*written, *here} if written.get(name) != here.get(name))
    for name in names or [""]:
        if name not in written:
            problem = f"was not written by {stage}"
        elif name in here:
            problem = f"differs from what {stage} wrote"
        else:
            problem = f"is missing; {stage} wrote it"
        yield Finding(f"{path}/{name}" if name else path, problem)


def _without_files(digest: Digest) -> Digest:
    return digest.model_copy(update={"files": None})


def _params(
    record: RunRecord,
    content: Mapping[str, Any],
    runtime: params.Runtime,
    digests: DigestReader,
) -> Iterator[Finding]:
    """Findings for params, seed, pins, sources and pinned files that differ from the record.

    The seed and the pins are compared only for stages that declare the param `runtime`: other
    stages are not rerun when `runtime` changes.
    """
    where = record_of(record.stage)
    for key, value in record.params.items():
        if not locks.same(value_of_key(content, key), value):
            yield Finding(
                f"{paths.PARAMS}: {key}", f"differs from the value that {record.stage} ran with"
            )
    if record.sources != list(find_pins(record.params)):
        yield Finding(where, "the recorded sources differ from those pinned in the recorded params")
    expected = (runtime.seed, determinism.pins(runtime))
    if "runtime" in record.params and (record.seed, record.pins) != expected:
        yield Finding(where, "the recorded seed or pins differ from `runtime` in params.yaml")
    for pin in filter(is_own_file, record.sources):
        current = digests(pin["path"])
        if current is not None and current.sha256 != pin["sha256"]:
            yield Finding(pin["path"], f"differs from the file that {record.stage} read")


def _packages(record: RunRecord, versions: Mapping[str, str]) -> Iterator[Finding]:
    """Findings for packages whose recorded version differs from the locked version."""
    for package, version in record.packages.items():
        locked = versions.get(package, "none")
        if locked != version:
            yield Finding(
                record_of(record.stage),
                f"{record.stage} ran with {package} {version}; {paths.REQUIREMENTS} lists {locked}",
            )


def _versions(root: Path, audit: Audit) -> dict[str, str]:
    """Package → version in requirements.lock. If the file is unreadable, a finding is added."""
    try:
        return code_closure.locked_versions(root)
    except (OSError, ValueError):
        problem = "cannot be read: restore it from Git"
        audit.findings.append(Finding(str(paths.REQUIREMENTS), problem))
        return {}


def _summary(root: Path, content: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings for differences between reports/summary.json and the detail files."""
    path = root / SUMMARY
    if not path.exists():
        return
    try:
        rows = io.read_json(path)
        project = params.project(dict(content))
        details = scores.load(root / paths.DETAILS, project)
        expected = scores.summary(scores.gather(details, project))
    except (ValueError, TypeError, KeyError, AttributeError, TandemError) as error:
        problem = " ".join(str(error).split())
        yield Finding(SUMMARY, f"cannot be compared with the metrics: {problem}")
        return
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        yield Finding(SUMMARY, "is not a list of rows: restore it from Git")
        return
    for number, row in enumerate(rows):
        if row not in expected:
            key = "/".join(str(row.get(name)) for name in ("task", "variant", "metric"))
            yield Finding(f"{SUMMARY}#{number}", f"{key} differs from the metrics")
    if rows != expected:
        built = f"{counted(len(expected), 'row')} built from the metrics"
        yield Finding(
            SUMMARY, f"contains {counted(len(rows), 'row')}, which differ from the {built}"
        )
