"""Readers and writers of every artifact: whole or not at all, and the same bytes each time."""

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


def path_inside(folder: Path, name: str) -> Path:
    """The path of a file `name` below `folder`, whose own folder is made.

    Names that come from outside, as from an archive, become paths here and nowhere else.

    Raises:
        StageError: the name is not one of a file below the folder, or a link leads out of it.
    """
    if refused := why_outside(name):
        raise StageError(f"{ascii(name)[:200]} {refused}: it is not written")
    path = folder / name
    within = path.parent.resolve().is_relative_to(folder.resolve())
    if not within or path.is_symlink() or path.is_dir():
        raise StageError(f"{path} is a link or a folder: nothing is written through it")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def why_outside(name: str) -> str | None:
    """Why a name in an archive is not one of a file below its target; None if it is.

    >>> why_outside("model/vocab.txt"), why_outside("model/../../vocab.txt")
    (None, 'leads upwards')
    """
    parts = name.split("/")
    if ".." in parts:
        return "leads upwards"
    if not name or not all(parts):
        return "is absolute or has an empty part"
    if re.search(r"[\\\x00]|^[A-Za-z]:", name):
        return "is no name of a file on every system"
    return None


def copy_into(folder: Path, name: str, source: BinaryIO) -> None:
    """Write what can be read from `source` as the file `name` below `folder`; see `inside`."""
    with path_inside(folder, name).open("wb") as target:
        shutil.copyfileobj(source, target)


def copy_tree(source: Path, folder: Path, name: str) -> None:
    """Copy a file, or a folder without compiled code, to `name` below `folder`; see `inside`."""
    target = path_inside(folder, name)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, its line ends as they are."""
    path.write_text(text, encoding="utf-8", newline="")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` and nothing else."""
    path.write_bytes(content)


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
        StageError: the file is missing; the stage that writes it has not run. Or it is not JSON.
    """
    require_exists(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise StageError(f"{path} is not JSON: {problem}; restore it or run its stage") from None


def details_bytes(value: Any) -> bytes:
    """`value` as the JSON `[[value]]`, the form of detail files and run records.

    Git carries these files. DVC saves a stage in its run cache only if each output that Git carries
    is a metric or a plot, so dvc.yaml declares them as plots. In this form DVC finds no point to
    draw in them, so that they change neither `dvc plots show` nor `dvc metrics show`.

    >>> details_bytes({"rows": 3}).split()
    [b'[', b'[', b'{', b'"rows":', b'3', b'}', b']', b']']
    """
    return json_bytes([[value]])


def write_details(path: Path, value: Any) -> None:
    """Write `value` as `details_bytes` gives it."""
    path.write_bytes(details_bytes(value))


def read_details(path: Path) -> Any:
    """The value in a file that `write_details` wrote.

    Raises:
        StageError: the file is missing or has another form.
    """
    value = unwrap_details(read_json(path))
    if value is None:
        raise StageError(f"{path} is not [[…]]: restore it, or run its stage again")
    return value


def unwrap_details(content: Any) -> Any:
    """The value in the parsed JSON of a detail file; None if it has another form."""
    match content:
        case [[value]]:
            return value
    return None


def parse_yaml(text: str) -> Any:
    """The value of a text in YAML 1.2, read as DVC reads it, in half of the time.

    Raises:
        YAMLError: it is none.
    """
    yaml = YAML(typ="safe")
    yaml.Resolver = _Resolver
    with gc_paused():
        return yaml.load(text)


@contextmanager
def gc_paused() -> Iterator[None]:
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


def require_exists(path: Path) -> None:
    """Raises StageError unless `path` exists."""
    if not path.exists():
        raise StageError(f"{path} is missing: run `dvc repro` or `snakemake`, which make it first")
