"""Compare dvc.lock with the run records, which contain the same facts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest, RunRecord, StageSpec, digest
from tandem.lineage.audit.findings import Finding


def read(root: Path) -> dict[str, Any]:
    """Stage → its entry in `root`/dvc.lock.

    Raises:
        LineageError: dvc.lock is missing or malformed.
    """
    path = root / paths.LOCK
    try:
        content = io.parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LineageError(
            f"{paths.LOCK} is missing: run `dvc repro` or `snakemake` first"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{paths.LOCK} cannot be read: {problem}; restore it from Git") from None
    stages: Any = content.get("stages") if isinstance(content, dict) else None
    if (
        not isinstance(stages, dict)
        or not all(isinstance(name, str) for name in stages)
        or content != {"schema": "2.0", "stages": stages}
    ):
        raise LineageError(f"{paths.LOCK} does not follow schema 2.0: restore it from Git")
    return stages


def differences(stage: StageSpec, record: RunRecord, entry: Any, root: Path) -> Iterator[Finding]:
    """Findings for differences between a stage's entry in dvc.lock and its record.

    Args:
        stage: The stage as dvc.yaml declares it.
        record: The record of the stage.
        entry: The stage's entry in dvc.lock. If the entry is None, there are no findings:
            `tandem.lineage.audit.checks` reports a missing entry.
        root: The project's folder. The record file in this folder is hashed, because the entry
            contains the record's digest.
    """
    if entry is None:
        return
    where = f"{paths.LOCK}: {stage.name}"
    outs = record.outputs | {stage.record: digest(root / stage.record)}
    expected = {
        "cmd": record.command,
        "deps": entries(record.inputs),
        "params": {str(paths.PARAMS): record.params} if record.params else {},
        "outs": entries(outs),
    }
    if not isinstance(entry, dict):
        yield Finding(where, "is not a mapping: restore it from Git")
        return
    for key in sorted({*expected, *entry}, key=str):
        if key not in expected:
            yield Finding(where, f"has an unknown key: {key}")
            continue
        recorded, locked = expected.get(key) or None, entry.get(key) or None
        if key in ("deps", "outs"):
            recorded, locked = _by_path(recorded), _by_path(locked)
        if same(recorded, locked):
            continue
        if key in ("deps", "outs") and isinstance(locked, dict) and isinstance(recorded, dict):
            for path in sorted({*recorded, *locked}, key=str):
                if not same(recorded.get(path), locked.get(path)):
                    yield Finding(where, f"{path} in {key} differs from the record")
        else:
            yield Finding(where, f"{key} differs from the record")


def entries(digests: Mapping[str, Digest]) -> list[dict[str, Any]]:
    """Paths and their digests, in the format of `deps` and `outs` in dvc.lock."""
    return [
        {"path": path, "hash": "md5", "md5": digest.md5, "size": digest.size}
        | ({"nfiles": digest.nfiles} if digest.nfiles is not None else {})
        for path, digest in digests.items()
    ]


def same(a: Any, b: Any) -> bool:
    """Whether two YAML or JSON values are equal, including the types of all their parts.

    >>> same({"a": [1]}, {"a": [1]}), same(1, 1.0), same(1, True)
    (True, False, False)
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


def _by_path(entries: Any) -> Any:
    """Path → entry. Malformed entries are returned unchanged, so that they differ from the record.

    DVC repeats an entry if dvc.yaml names its path more than once.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return entries
    by_path = {str(entry.get("path")): entry for entry in entries}
    is_consistent = all(by_path[str(entry.get("path"))] == entry for entry in entries)
    return by_path if is_consistent else entries
