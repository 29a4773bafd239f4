"""Readers and writers of every artifact: whole or not at all, and the same bytes each time."""

import errno
import gc
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.resolver import VersionedResolver

from tandem.core.errors import StageError

PARTIAL = ".partial"


@contextmanager
def writing(*finals: Path) -> Iterator[tuple[Path, ...]]:
    """Give a temporary name for each of `finals`; move all into place if the body succeeds.

    A final name with a suffix is a file, one without is a folder, which is made empty here. On
    any error, Ctrl-C included, what was begun is removed and the old outputs stay as they were.
    The temporary name is fixed, so what a killed run left is swept away by the next.

    Raises:
        StageError: the disk is full or a folder cannot be written to.
    """
    with ExitStack() as undo:
        partials = [final.parent / (PARTIAL + "-" + final.name) for final in finals]
        for partial in partials:
            undo.callback(remove, partial)
        try:
            for partial in partials:
                remove(partial)
            for final, partial in zip(finals, partials, strict=True):
                (final.parent if final.suffix else partial).mkdir(parents=True, exist_ok=True)
            yield tuple(partials)
            for final, partial in zip(finals, partials, strict=True):
                remove(final)
                partial.replace(final)
        except Exception as error:
            problem = _why_not_written(error)
            if problem is None:
                raise
            names = " and ".join(map(str, finals))
            raise StageError(f"cannot write {names}: {problem}, then run again") from error


def _why_not_written(error: Exception) -> str | None:
    """What the user can do about a failed write; None if the error is something else.

    Arrow and safetensors wrap the system's error in types of their own, so its text counts too.
    """
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
        return "the disk is full; make room"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "no permission; make the folder writable"
    return None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():  # asked first: some systems forbid even the attempt
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `json_bytes` gives it."""
    path.write_bytes(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """JSON with sorted keys, an indent of two spaces and a newline at its end."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()


def read_json(path: Path) -> Any:
    """The value in a JSON file that a stage wrote.

    Raises:
        StageError: the file is missing; the stage that writes it has not run.
    """
    require(path)
    return json.loads(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """The value of a text in YAML 1.2, read as DVC reads it, in half of the time.

    Raises:
        YAMLError: it is none.
    """
    yaml = YAML(typ="safe")
    yaml.Resolver = _Resolver
    with uncollected():
        return yaml.load(text)


@contextmanager
def uncollected() -> Iterator[None]:
    """Have Python look for no garbage meanwhile: for work that makes many objects, and keeps them.

    It would look through all of them again and again; a lock of 5,000 stages is a million.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Resolver(VersionedResolver):
    """Takes every text for YAML 1.2; ruamel.yaml looks the version up again for each scalar."""

    processing_version = (1, 2)


def require(path: Path) -> None:
    """Raises StageError unless `path` exists."""
    if not path.exists():
        raise StageError(f"{path} is missing: run `dvc repro` or `snakemake`, which make it first")
