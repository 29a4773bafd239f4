"""How the params of a stage differ from those of its last run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tandem.core import paths
from tandem.workspace.status.report import ABSENT, Reason


def param_changes(dep: Any) -> Iterator[Reason]:
    """The keys of a params file whose values differ from those of the stage's last run."""
    ran, now = dep.hash_info.value, dep.read_params()
    prefix = "" if Path(dep.fs_path).name == paths.PARAMS.name else f"{dep.def_path}:"
    keys = dep.params or sorted({*now, *(ran or {})})
    for key in keys:
        for name, old, new in _differences(key, (ran or {}).get(key, ABSENT), now.get(key, ABSENT)):
            yield Reason("param", f"{prefix}{name}", old=old, new=new)


def _differences(key: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost keys below `key` with different values, each with its old and new value."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for part in dict.fromkeys([*old, *new]):
            below = f"{key}.{part}"
            yield from _differences(below, old.get(part, ABSENT), new.get(part, ABSENT))
    elif old != (list(new) if isinstance(new, tuple) else new):
        # Tuples in a Python params file are lists in dvc.lock.
        yield key, old, new
