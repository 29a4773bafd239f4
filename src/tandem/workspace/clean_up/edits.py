"""Remove entries from dvc.lock, dvc.yaml and .gitignore without changing other lines."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from dvc.utils.serialize._yaml import _dump
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.patches import dvc


def read_edited_files() -> dict[Path, bytes]:
    """The contents of dvc.yaml and dvc.lock, if these files exist."""
    return {path: path.read_bytes() for path in (paths.DAG, paths.LOCK) if path.exists()}


def has_ignore_line(path: str) -> bool:
    """Whether the .gitignore next to an output contains DVC's line for the output: `/NAME`."""
    output = Path(path)
    try:
        text = (output.parent / ".gitignore").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return f"/{output.name}" in text.splitlines()


def remove_ignore_line(output: Path) -> None:
    """Remove an output's line from the .gitignore next to it; delete a .gitignore left empty."""
    file = output.parent / ".gitignore"
    every = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in every if line.rstrip("\r\n") != f"/{output.name}"]
    if kept:
        partial = file.with_name(f"{io.PARTIAL}-{file.name}")
        io.write_text(partial, "".join(kept))
        partial.replace(file)
    else:
        file.unlink()


def without_entries(text: str, names: Sequence[str]) -> str:
    """The text of dvc.lock without the entries of the stages in `names`; the rest is unchanged.

    A dvc.lock that is not in DVC's own format is rewritten in that format.
    """
    wanted = io.parse_yaml(text)
    wanted["stages"] = {n: entry for n, entry in wanted["stages"].items() if n not in names}
    shorter = text
    for name in names:
        entry = dvc.lock_entry(shorter, dvc.entry_title(name))
        if entry:
            shorter = ("\n" + shorter).replace("\n" + entry, "\n", 1).removeprefix("\n")
    if shorter != dvc.HEADER and io.parse_yaml(shorter) == wanted:
        return shorter
    stream = StringIO()
    _dump(wanted, stream)
    return stream.getvalue()


def without_artifacts(text: str, names: Sequence[str]) -> str:
    """The text of dvc.yaml without the artifacts in `names`; all other lines are unchanged.

    If the artifacts are not on lines of their own, ruamel.yaml rewrites the text, but keeps the
    comments.

    Raises:
        StageError: the artifacts cannot be removed without changing other entries of dvc.yaml.
    """
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True
    with suppress(KeyError, AttributeError, YAMLError):
        content = yaml.load(text)
        shorter = _without_lines(text, content, names)
        for name in names:
            del content["artifacts"][name]
        if not content["artifacts"]:
            del content["artifacts"]
        longer = _dumped(yaml, content)
        for candidate in (shorter, longer):
            with suppress(YAMLError):
                if io.parse_yaml(candidate) == io.parse_yaml(longer):
                    return candidate
    raise StageError(
        f"{paths.DAG}: remove {', '.join(names)} from artifacts by hand, then run "
        "`tandem clean-up` again"
    )


def _dumped(yaml: YAML, content: Any) -> str:
    stream = StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _without_lines(text: str, content: Any, names: Sequence[str]) -> str:
    """The text without the artifacts in `names`.

    If no artifact is left, the key `artifacts` is removed too.
    """
    artifacts, every = content["artifacts"], text.splitlines(keepends=True)
    removed = set[int]()
    for name in names:
        start, column = artifacts.lc.key(name)
        removed |= {start, *_indented(every, start + 1, column)}
    if len(names) == len(artifacts):
        removed.add(content.lc.key("artifacts")[0])
    return "".join(line for number, line in enumerate(every) if number not in removed)


def _indented(every: Sequence[str], start: int, column: int) -> Iterator[int]:
    """Numbers of the consecutive lines from `start` on that are indented deeper than `column`.

    Blank lines after the last indented line are left out.
    """
    blank: list[int] = []
    for number in range(start, len(every)):
        line = every[number]
        if not line.strip():
            blank.append(number)
        elif len(line) - len(line.lstrip(" ")) > column:
            yield from (*blank, number)
            blank = []
        else:
            return
