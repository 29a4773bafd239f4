"""dvc.lock, which has to say just what the records say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import LineageError
from tandem.core.provenance import Digest, RunRecord, StageSpec, digest
from tandem.lineage.audit.findings import Finding


def read(root: Path) -> dict[str, Any]:
    """The stages of `root`/dvc.lock by name.

    Raises:
        LineageError: it is missing or no lock.
    """
    path = root / paths.LOCK
    try:
        content = io.parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LineageError(f"{paths.LOCK} is missing: nothing has been run") from None
    except (YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(f"{paths.LOCK} cannot be read: {problem}; restore it") from None
    stages: Any = content.get("stages") if isinstance(content, dict) else None
    if (
        not isinstance(stages, dict)
        or not all(isinstance(name, str) for name in stages)
        or content != {"schema": "2.0", "stages": stages}
    ):
        raise LineageError(f"{paths.LOCK} is no lock of schema 2.0: restore it from Git")
    return stages


def differences(stage: StageSpec, record: RunRecord, entry: Any, root: Path) -> Iterator[Finding]:
    """Where dvc.lock does not say what the record says, and the record's own file."""
    if entry is None:
        return
    where = f"{paths.LOCK}: {stage.name}"
    own = digest(root / stage.record)
    outs = record.outputs | {stage.record: own}
    expected = {
        "cmd": record.command,
        "deps": entries(record.inputs),
        "params": {str(paths.PARAMS): record.params} if record.params else {},
        "outs": entries(outs),
    }
    if not isinstance(entry, dict):
        yield Finding(where, "is no mapping: restore it from Git")
        return
    for key in sorted({*expected, *entry}, key=str):
        if key not in expected:
            yield Finding(where, f"has {key}, which no stage has")
            continue
        known, told = expected.get(key) or None, entry.get(key) or None
        if key in ("deps", "outs"):
            known, told = _by_path(known), _by_path(told)
        if same(known, told):
            continue
        if key in ("deps", "outs") and isinstance(told, dict) and isinstance(known, dict):
            for path in sorted({*known, *told}, key=str):
                if not same(known.get(path), told.get(path)):
                    yield Finding(where, f"{key} {path} is not what the record says")
        else:
            yield Finding(where, f"{key} is not what the record says")


def entries(known: Mapping[str, Digest]) -> list[dict[str, Any]]:
    """Digests as dvc.lock has them."""
    return [
        {"path": path, "hash": "md5", "md5": found.md5, "size": found.size}
        | ({"nfiles": found.nfiles} if found.nfiles is not None else {})
        for path, found in known.items()
    ]


def same(one: Any, other: Any) -> bool:
    """Whether two values of YAML or JSON are the same to the last type.

    >>> same({"a": [1]}, {"a": [1]}), same(1, 1.0), same(1, True)
    (True, False, False)
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def _by_path(entries: Any) -> Any:
    """A list of entries by path; what is no such list stays as it is, and so differs.

    DVC lists a path as often as dvc.yaml does.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return entries
    found = {str(entry.get("path")): entry for entry in entries}
    return found if all(found[str(entry.get("path"))] == entry for entry in entries) else entries
