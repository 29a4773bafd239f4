"""Read and write artifacts.

`atomic_outputs` moves the outputs of a stage into place only when all of them are complete, and
equal values are always written as the same bytes.
"""

import errno
import gc
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ruamel.yaml import YAML
from ruamel.yaml.resolver import VersionedResolver

from tandem.core.errors import StageError

PARTIAL = ".partial"


@contextmanager
def atomic_outputs(*finals: Path) -> Iterator[tuple[Path, ...]]:
    """Write outputs under temporary names; move all into place if the `with` block succeeds.

    On any error, including Ctrl-C, the temporary outputs are removed and the old outputs stay as
    they were. The temporary names are fixed, so the next run removes what a killed run has left
    behind.

    Args:
        finals: The paths of the outputs. A path with a suffix denotes a file; a path without a
            suffix denotes a folder, which is created empty under its temporary name.

    Yields:
        The temporary paths, in the order of `finals`.

    Raises:
        StageError: the disk is full, or there is no permission to write.
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
            problem = _write_problem(error)
            if problem is None:
                raise
            names = " and ".join(map(str, finals))
            raise StageError(f"cannot write {names}: {problem}") from error


def _write_problem(error: Exception) -> str | None:
    """Why a write failed, and the remedy; None unless the disk is full or permission is missing.

    Arrow and safetensors wrap the system's error in their own exception types, so the text of
    `error` is searched too.
    """
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
        return "the disk is full; free up space, then run the command again"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "permission denied; make the folder writable, then run the command again"
    return None


def path_inside(folder: Path, name: str) -> Path:
    """Return the path `folder / name`, which must be inside `folder`; create its parent folders.

    All untrusted names, such as those in an archive, must be converted to paths by this function.

    Raises:
        StageError: the name does not denote a file inside the folder, or a link leads out of the
            folder.
    """
    if problem := why_outside(name):
        raise StageError(f"{ascii(name)[:200]} {problem}: it is not written")
    path = folder / name
    inside = path.parent.resolve().is_relative_to(folder.resolve())
    if not inside or path.is_symlink() or path.is_dir():
        raise StageError(
            f"{path} is a link or a folder, or is reached through a link: refusing to write to it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def why_outside(name: str) -> str | None:
    """Why a name in an archive does not denote a file inside the target folder; None if it does.

    >>> why_outside("model/vocab.txt"), why_outside("model/../../vocab.txt")
    (None, 'has a `..` part')
    """
    parts = name.split("/")
    if ".." in parts:
        return "has a `..` part"
    if not name or not all(parts):
        return "is absolute or has an empty part"
    if re.search(r"[\\\x00]|^[A-Za-z]:", name):
        return "is an invalid file name on some systems"
    return None


def copy_into(folder: Path, name: str, source: BinaryIO) -> None:
    """Write the content of `source` to the file `name` in `folder`; see `path_inside`."""
    with path_inside(folder, name).open("wb") as target:
        shutil.copyfileobj(source, target)


def copy_tree(source: Path, folder: Path, name: str) -> None:
    """Copy a file or a folder, except `__pycache__`, to `name` in `folder`; see `path_inside`."""
    target = path_inside(folder, name)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, without translating line endings."""
    path.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to a file."""
    path.write_bytes(content)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        # Some systems refuse to unlink even a missing file, so `missing_ok` is not enough.
        path.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` to a file, serialized with `json_bytes`."""
    path.write_bytes(json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """JSON with sorted keys, an indent of two spaces and a final newline."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage wrote.

    Raises:
        StageError: the file is missing because its stage has not run, or is not valid JSON.
    """
    require_exists(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise StageError(f"{path} is not JSON: {problem}; restore it or run its stage") from None


def details_bytes(value: Any) -> bytes:
    """`value` serialized as the JSON `[[value]]`, the format of detail files and run records.

    Detail files and run records are tracked by Git. DVC saves a stage in its run cache only
    if each output that Git tracks is a metric or a plot, so dvc.yaml declares these files as plots.
    DVC finds no data points in a file of the form `[[value]]`, so `dvc plots show` and
    `dvc metrics show` do not show it.

    >>> details_bytes({"rows": 3}).split()
    [b'[', b'[', b'{', b'"rows":', b'3', b'}', b']', b']']
    """
    return json_bytes([[value]])


def write_details(path: Path, value: Any) -> None:
    """Write `value` to a file, serialized with `details_bytes`."""
    path.write_bytes(details_bytes(value))


def read_details(path: Path) -> Any:
    """The value in a file that `write_details` wrote.

    Raises:
        StageError: the file is missing or does not have the form `[[value]]`.
    """
    value = unwrap_details(read_json(path))
    if value is None:
        raise StageError(
            f"{path} is damaged: its JSON does not have the form `[[value]]`; "
            "restore it or run its stage"
        )
    return value


def unwrap_details(content: Any) -> Any:
    """The value in a detail file's parsed JSON `content`; None if `content` is not `[[value]]`."""
    match content:
        case [[value]]:
            return value
    return None


def parse_yaml(text: str) -> Any:
    """Parse `text` as YAML 1.2, like DVC's parser but in half the time.

    Raises:
        YAMLError: the text is not YAML.
    """
    yaml = YAML(typ="safe")
    yaml.Resolver = _Resolver
    with gc_paused():
        return yaml.load(text)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection while creating many long-lived objects.

    Each collection would traverse all objects that exist; parsing a dvc.lock with 5,000 stages
    creates a million objects.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Resolver(VersionedResolver):
    """Resolves all scalars as YAML 1.2, without looking up the YAML version for each scalar."""

    processing_version = (1, 2)


def require_exists(path: Path) -> None:
    """Raise StageError unless `path` exists."""
    if not path.exists():
        raise StageError(f"{path} is missing: run `dvc repro` or `snakemake` to create it")
