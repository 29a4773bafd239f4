"""The records of a project as one graph: which stage made what out of what.

    fetch@intent ── data/raw/intent ── clean@intent ── data/clean/intent ── …

Every question and every export starts from this graph. It is built from reports/lineage alone, so
it answers for any revision whose records are at hand, without DVC and without the data.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.core.io import PARTIAL
from tandem.core.paths import CODE, RECORDS, overlap
from tandem.core.provenance import Digest, RunRecord, folder_digest


@dataclass(frozen=True)
class Graph:
    """Records by stage, in an order in which data flows, and who made what."""

    records: Mapping[str, RunRecord]
    producers: Mapping[str, str]
    """Output path → the stage that wrote it."""
    needs: Mapping[str, Sequence[str]]
    """Stage → the stages that wrote some of its inputs, sorted."""
    consumers: Mapping[str, Sequence[str]]
    """Stage → the stages that some of its outputs went into, sorted."""
    inside: Mapping[str, Sequence[str]]
    """Every output, and every folder above one → the outputs at or below it."""

    @classmethod
    def of(cls, records: Iterable[RunRecord]) -> "Graph":
        """The graph of `records`.

        Raises:
            LineageError: two records claim one stage or one output, or a stage is before itself.
        """
        known: dict[str, RunRecord] = {}
        makers: dict[str, str] = {}
        for record in records:
            if record.stage in known:
                raise LineageError(f"two records claim the stage {record.stage}: restore {RECORDS}")
            known[record.stage] = record
            for path in record.outputs:
                if path in makers:
                    both = f"{makers[path]} and {record.stage}"
                    raise LineageError(
                        f"the records of {both} both claim {path}: restore {RECORDS}"
                    )
                makers[path] = record.stage
        inside = _inside(makers)
        needs = {
            name: sorted(
                {makers[out] for path in known[name].inputs for out in _outs(path, inside)}
            )
            for name in sorted(known)
        }
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            circle = " → ".join(error.args[1])
            raise LineageError(f"the records run in a circle: {circle}: restore them") from None
        feeds: dict[str, list[str]] = {name: [] for name in order}
        for name in sorted(needs):
            for other in needs[name]:
                feeds[other].append(name)
        return cls({name: known[name] for name in order}, makers, needs, feeds, inside)

    def upstream(self, *stages: str) -> list[str]:
        """`stages` and all that they depend on, in the order of the flow."""
        return self._reached(stages, self.needs)

    def downstream(self, *stages: str) -> list[str]:
        """`stages` and all that depends on them, in the order of the flow."""
        return self._reached(stages, self.consumers)

    def _reached(self, stages: Iterable[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
        todo, seen = [*stages], set[str]()
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += edges[name]
        return [name for name in self.records if name in seen]

    def producers_of(self, path: str) -> list[str]:
        """The stages that wrote what lies at, around or below `path`, in the order of flow."""
        found = {self.producers[out] for out in _outs(path, self.inside)}
        return [name for name in self.records if name in found]

    def consumers_of(self, path: str) -> list[str]:
        """The stages that read what lies at, around or below `path`, in the order of flow."""
        return [
            name
            for name, record in self.records.items()
            if any(overlap(path, known) for known in record.inputs)
        ]

    def expected_digest(self, path: str) -> Digest | None:
        """What the stages that wrote `path` say lies there: a file, a folder or several outputs.

        None if no stage wrote it.
        """
        for around in (path, *map(str, PurePosixPath(path).parents)):
            if around in self.producers:
                whole = self.records[self.producers[around]].outputs[around]
                return whole if around == path else _part(whole, path[len(around) + 1 :])
        files = {
            str(PurePosixPath(out).relative_to(path) / name): digest
            for out in _outs(path, self.inside)
            for name, digest in files_of(self.records[self.producers[out]].outputs[out]).items()
        }
        return folder_digest(files, files=True) if files else None


def read(root: Path = Path()) -> Graph:
    """The graph of the records in `root`/reports/lineage.

    Raises:
        LineageError: there is none, or one is not a record.
    """
    return Graph.of(parse(content, Path(path)) for path, content in contents(root).items())


def contents(root: Path = Path()) -> dict[str, bytes]:
    """Path → bytes of every record below `root`.

    Raises:
        LineageError: there is none.
    """
    found = files(root)
    if not found:
        raise LineageError(f"{RECORDS} holds no record: run `dvc repro` or `snakemake` first")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def files(root: Path = Path()) -> list[Path]:
    """The records below `root`, sorted, without what a killed run has left half-written."""
    found = sorted((root / RECORDS).rglob("*.json"))
    return [path for path in found if path.is_file() and not path.name.startswith(PARTIAL)]


def parse(content: bytes, where: Path) -> RunRecord:
    """The record in the bytes of a file.

    Raises:
        LineageError: they are not a record.
    """
    try:
        value = io.unwrap_details(json.loads(content))
        if value is None:
            raise ValueError("it is not [[record]]")
        record = RunRecord.model_validate(value)
        for path in (*record.inputs, *record.outputs):
            if not is_inside(path):
                raise ValueError(f"it names {path!r}, which is not of the project")
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{where} is not a record: {problem}; restore it from Git") from None
    return record


def files_of(digest: Digest) -> Mapping[str, Digest]:
    """The files of an output by name; a file alone has the empty name."""
    return {"": digest} if digest.files is None else digest.files


def is_inside(path: str) -> bool:
    """Whether a path stays in the project: a record may have been made by anybody."""
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def is_own_file(pin: Mapping[str, Any]) -> bool:
    """Whether a pin is of a file of the project's own, not of one inside a package."""
    path = pin.get("path")
    return isinstance(path, str) and "name" not in pin and is_inside(path)


def describes_code(record: RunRecord) -> bool:
    """Whether a stage only writes which code the other stages run."""
    return all(path.startswith(f"{CODE}/") for path in record.outputs)


def record_of(stage: str) -> str:
    """Where the record of a stage lies: reports/lineage/STAGE/TASK.json."""
    return f"{RECORDS}/{stage.replace('@', '/')}.json"


def _part(folder: Digest, name: str) -> Digest | None:
    """The file `name` of a folder, or the folder of that name in it."""
    files = files_of(folder)
    if name in files:
        return files[name]
    below = {key[len(name) + 1 :]: d for key, d in files.items() if key.startswith(f"{name}/")}
    return folder_digest(below) if below else None


def _inside(outs: Iterable[str]) -> dict[str, list[str]]:
    """Every folder above an output, and the output itself → the outputs at or below it."""
    found: dict[str, list[str]] = {}
    for out in outs:
        for above in (out, *map(str, PurePosixPath(out).parents)):
            found.setdefault(above, []).append(out)
    return found


def _outs(path: str, inside: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The outputs at, below or around `path`."""
    if path in inside:
        return inside[path]
    around = map(str, PurePosixPath(path).parents)
    return next(([above] for above in around if above in inside and inside[above] == [above]), [])
