"""The run records of a project as one graph of stages and artifacts.

    fetch@intent ── data/raw/intent ── clean@intent ── data/clean/intent ── …

All queries and exports use this graph. The graph is built from reports/lineage only, and can
therefore be built for any revision that contains records, without DVC and without the data.
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
    """The records of all stages, in topological order, and how stages and artifacts are related."""

    records: Mapping[str, RunRecord]
    producers: Mapping[str, str]
    """Output path → the stage that wrote it."""
    needs: Mapping[str, Sequence[str]]
    """Stage → the stages that wrote any of its inputs, sorted."""
    consumers: Mapping[str, Sequence[str]]
    """Stage → the stages that read any of its outputs, sorted."""
    inside: Mapping[str, Sequence[str]]
    """Path → the outputs that have this path or are inside it."""

    @classmethod
    def of(cls, records: Iterable[RunRecord]) -> "Graph":
        """The graph of `records`.

        Raises:
            LineageError: two records have the same stage or output, or the stages form a cycle.
        """
        by_stage: dict[str, RunRecord] = {}
        producers: dict[str, str] = {}
        for record in records:
            if record.stage in by_stage:
                raise LineageError(
                    f"two records belong to the stage {record.stage}: restore {RECORDS} from Git"
                )
            by_stage[record.stage] = record
            for path in record.outputs:
                if path in producers:
                    raise LineageError(
                        f"the records of {producers[path]} and {record.stage} both list the output "
                        f"{path}: restore {RECORDS} from Git"
                    )
                producers[path] = record.stage

        # A stage depends on another if one of its inputs equals, contains or is inside an output of
        # the other stage.
        inside = _inside(producers)
        needs = {
            name: sorted(
                {producers[out] for path in by_stage[name].inputs for out in _outs(path, inside)}
            )
            for name in sorted(by_stage)
        }
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            cycle = " → ".join(error.args[1])
            raise LineageError(
                f"the records form a cycle, {cycle}: restore {RECORDS} from Git"
            ) from None
        consumers: dict[str, list[str]] = {name: [] for name in order}
        for name in sorted(needs):
            for needed in needs[name]:
                consumers[needed].append(name)
        return cls({name: by_stage[name] for name in order}, producers, needs, consumers, inside)

    def upstream(self, *stages: str) -> list[str]:
        """`stages` and all stages that they depend on, in topological order."""
        return self._reachable(stages, self.needs)

    def downstream(self, *stages: str) -> list[str]:
        """`stages` and all stages that depend on them, in topological order."""
        return self._reachable(stages, self.consumers)

    def _reachable(self, stages: Iterable[str], edges: Mapping[str, Sequence[str]]) -> list[str]:
        todo, seen = [*stages], set[str]()
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += edges[name]
        return [name for name in self.records if name in seen]

    def producers_of(self, path: str) -> list[str]:
        """The stages that wrote `path`, part of it, or a parent folder, in topological order."""
        names = {self.producers[out] for out in _outs(path, self.inside)}
        return [name for name in self.records if name in names]

    def consumers_of(self, path: str) -> list[str]:
        """The stages that read `path`, part of it, or a parent folder, in topological order."""
        return [
            name
            for name, record in self.records.items()
            if any(overlap(path, read) for read in record.inputs)
        ]

    def expected_digest(self, path: str) -> Digest | None:
        """The digest of `path` according to the records of the stages that wrote it.

        `path` is an output, a file or folder inside an output, or a folder that contains several
        outputs. The result is None if no stage wrote `path`.
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
        LineageError: there are no records, or a file is not a record.
    """
    return Graph.of(parse(content, Path(path)) for path, content in contents(root).items())


def contents(root: Path = Path()) -> dict[str, bytes]:
    """Path → content of each record file in `root`/reports/lineage.

    Raises:
        LineageError: there are no records.
    """
    records = files(root)
    if not records:
        raise LineageError(f"{RECORDS} contains no records: run `dvc repro` or `snakemake` first")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in records}


def files(root: Path = Path()) -> list[Path]:
    """The record files in `root`, sorted, except partial files left by a killed run."""
    paths = sorted((root / RECORDS).rglob("*.json"))
    return [path for path in paths if path.is_file() and not path.name.startswith(PARTIAL)]


def parse(content: bytes, where: Path) -> RunRecord:
    """Parse the content of a record file.

    Raises:
        LineageError: `content` is not a record.
    """
    try:
        parsed = json.loads(content)
        if isinstance(parsed, dict) and parsed.keys() >= {"stage", "inputs", "outputs"}:
            raise LineageError(
                f"{where} was written by an earlier version of Tandem: run its stage again"
            )
        value = io.unwrap_details(parsed)
        if value is None:
            raise ValueError("it is not [[record]]")
        record = RunRecord.model_validate(value)
        for path in (*record.inputs, *record.outputs):
            if not is_inside(path):
                raise ValueError(f"{path!r} is outside the project")
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{where} is not a record: {problem}; restore it from Git") from None
    return record


def files_of(digest: Digest) -> Mapping[str, Digest]:
    """Relative path → digest of each file in an output; empty path if the output is a file."""
    return {"": digest} if digest.files is None else digest.files


def is_inside(path: str) -> bool:
    """Whether a path is inside the project. Records are not trusted: anyone can edit them."""
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def is_own_file(pin: Mapping[str, Any]) -> bool:
    """Whether a pin refers to a file of the project, not to a file inside a package."""
    path = pin.get("path")
    return isinstance(path, str) and "name" not in pin and is_inside(path)


def describes_code(record: RunRecord) -> bool:
    """Whether a stage writes nothing but the digests of the code that other stages run."""
    return all(path.startswith(f"{CODE}/") for path in record.outputs)


def record_of(stage: str) -> str:
    """The path of a stage's record: reports/lineage/STAGE/TASK.json."""
    return f"{RECORDS}/{stage.replace('@', '/')}.json"


def _part(folder: Digest, name: str) -> Digest | None:
    """The digest of the file or folder `name` in a folder."""
    files = files_of(folder)
    if name in files:
        return files[name]
    below = {key[len(name) + 1 :]: d for key, d in files.items() if key.startswith(f"{name}/")}
    return folder_digest(below) if below else None


def _inside(outs: Iterable[str]) -> dict[str, list[str]]:
    """Path → the outputs that have this path or are inside it."""
    inside: dict[str, list[str]] = {}
    for out in outs:
        for above in (out, *map(str, PurePosixPath(out).parents)):
            inside.setdefault(above, []).append(out)
    return inside


def _outs(path: str, inside: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The outputs that have the path `path`, are inside it, or contain it."""
    if path in inside:
        return inside[path]
    around = map(str, PurePosixPath(path).parents)
    return next(([above] for above in around if above in inside and inside[above] == [above]), [])
