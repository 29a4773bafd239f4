"""Single changes to a small project.

A change is a function that returns the name of the file, param or package that the audit must
report.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tandem.core.source_digest import source_digest

LOCK, PARAMS, DAG = Path("dvc.lock"), Path("params.yaml"), Path("dvc.yaml")


def flip(path: str, index: int) -> Callable[[], str]:
    """A function that changes one byte of a file and returns the path that must be reported."""

    def edit() -> str:
        content = bytearray(Path(path).read_bytes())
        content[index % len(content)] ^= 1
        Path(path).write_bytes(content)
        return path

    return edit


def swap(first: str, second: str) -> Callable[[], str]:
    def edit() -> str:
        a, b = Path(first).read_bytes(), Path(second).read_bytes()
        Path(first).write_bytes(b)
        Path(second).write_bytes(a)
        return first

    return edit


def write_file(path: str, content: str, reported: str = "") -> Callable[[], str]:
    def edit() -> str:
        Path(path).write_text(content)
        return reported or path

    return edit


def replace(path: str, old: str, new: str, reported: str = "") -> Callable[[], str]:
    def edit() -> str:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new, 1))
        return reported or path

    return edit


def remove(path: str) -> Callable[[], str]:
    def edit() -> str:
        Path(path).unlink()
        return path

    return edit


STAGES = ("fetch", "clean", "split")
ARTIFACTS = {
    "fetch": ("rows.parquet", "unreadable.parquet", "README.md"),
    "clean": ("rows.parquet", "dropped.parquet"),
    "split": ("train.parquet", "validation.parquet", "test.parquet", "dropped.parquet"),
}
CODE = (
    "src/tandem/core/io.py",
    "src/tandem/stages/clean.py",
    "src/tandem/stages/split.py",
    "src/tandem/tasks/intent.py",
    "src/tandem/text/mask.py",
)
FOLDER = {"fetch": "data/raw/intent", "clean": "data/clean/intent", "split": "data/split/intent"}


def single_changes(root: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Single changes of every kind. The indices of changed bytes are drawn with a fixed seed."""
    draw = random.Random(13).randrange
    for stage in STAGES:
        for name in ARTIFACTS[stage]:
            path = f"{FOLDER[stage]}/{name}"
            for _ in range(3):
                index = draw(1 << 20)
                yield f"byte {index} of {path}", flip(path, index)
            yield f"{path} with an extra byte", append(path)
            yield f"{path} removed", remove(path)
        yield (
            f"{FOLDER[stage]} with an extra file",
            write_file(f"{FOLDER[stage]}/more.parquet", "more"),
        )
        metric = f"reports/details/{stage}/intent.json"
        yield f"{metric} removed", remove(metric)
        yield f"byte of {metric}", flip(metric, draw(1 << 20))
        record = f"reports/lineage/{stage}/intent.json"
        yield f"{record} removed", remove(record)
        yield f"{record} truncated", truncate(record)
        for _ in range(4):
            index = draw(1 << 20)
            yield f"byte {index} of {record}", flip(record, index)
        for other in STAGES:
            if other != stage:
                yield (
                    f"record of {other} for {stage}",
                    copy(f"reports/lineage/{other}/intent.json", record),
                )
    for name in ("rows.parquet", "README.md"):
        yield (
            f"raw {name} swapped",
            swap(f"data/raw/intent/{name}", "data/clean/intent/dropped.parquet"),
        )
    yield (
        "train and test swapped",
        swap("data/split/intent/train.parquet", "data/split/intent/test.parquet"),
    )
    yield (
        "a record of an unknown stage",
        copy("reports/lineage/clean/intent.json", "reports/lineage/clean/other.json"),
    )
    yield from lock_changes(root)
    yield from declared_changes(root, draw)


def lock_changes(root: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Changes to dvc.lock: to digests, paths and other values; a removed stage; an empty file."""
    lines = (root / LOCK).read_text().splitlines()
    for number, line in enumerate(lines):
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if not value:
            continue
        last = value[-1] if value[-1] not in "'\"" else value[-2]
        new = str((int(last) + 1) % 10) if last.isdigit() else ("b" if last == "a" else "a")
        index = line.rindex(last)
        changed = line[:index] + new + line[index + 1 :]
        if number % 3 == 0 or key in {"cmd", "schema"}:
            yield f"dvc.lock, line {number}: {changed.strip()}", write_line(number, changed)
    yield "dvc.lock without its last stage", lambda: write_lock(without_last_stage(lines))
    yield "an empty dvc.lock", write_file("dvc.lock", "", "dvc.lock")


def without_last_stage(lines: list[str]) -> list[str]:
    starts = [n for n, line in enumerate(lines) if line.startswith("  ") and line[2] != " "]
    return lines[: starts[-1]]


def write_lock(lines: list[str]) -> str:
    LOCK.write_text("\n".join(lines) + "\n")
    return "dvc.lock"


def write_line(number: int, line: str) -> Callable[[], str]:
    def edit() -> str:
        lines = LOCK.read_text().splitlines()
        lines[number] = line
        return write_lock(lines)

    return edit


def declared_changes(
    root: Path, draw: Callable[[int], int]
) -> Iterator[tuple[str, Callable[[], str]]]:
    """Changes to params, source pins, code, locked packages and dvc.yaml."""
    yield "a source's pin", replace("params.yaml", "256eb1e4", "256eb1e5", "intent.fetch")
    yield "a source's version", replace("params.yaml", "2026.10.27", "2026.10.28", "intent.fetch")
    yield "a param", replace("params.yaml", "max_words: 60", "max_words: 61", "intent.clean")
    yield (
        "the seed",
        replace("params.yaml", "  seed: 13\n  threads", "  seed: 14\n  threads", "runtime"),
    )
    yield (
        "a filter removed",
        replace(
            "params.yaml",
            "    - kind: duplicates\n      answer:\n      - label\n      - spans\n",
            "",
            "intent.clean",
        ),
    )
    for path in CODE:
        for number in range(2):
            yield f"byte of {path}, {number}", flip_code(path, draw)
    yield (
        "a command",
        replace("dvc.yaml", "tandem clean", "tandem clean ", "reports/lineage/clean/intent.json"),
    )
    yield (
        "a dependency removed",
        replace(
            "dvc.yaml",
            "    - workflow/code/clean/${item.task}.json\n",
            "",
            "reports/lineage/clean/intent.json",
        ),
    )
    yield "a locked version", replace("requirements.lock", "ftfy==6.3.1", "ftfy==6.3.2", "ftfy")
    yield (
        "a stage's packages",
        replace(
            "workflow/code/clean/intent.json",
            '"ftfy": "6.3.1"',
            '"ftfy": "6.3.2"',
            "workflow/code/clean/intent.json",
        ),
    )


def append(path: str) -> Callable[[], str]:
    def edit() -> str:
        Path(path).write_bytes(Path(path).read_bytes() + b"\0")
        return path

    return edit


def truncate(path: str) -> Callable[[], str]:
    def edit() -> str:
        Path(path).write_bytes(Path(path).read_bytes()[:-100])
        return path

    return edit


def copy(source: str, target: str) -> Callable[[], str]:
    def edit() -> str:
        shutil.copy(source, target)
        return target

    return edit


def flip_code(path: str, draw: Callable[[int], int]) -> Callable[[], str]:
    """An edit of one byte of a source file, outside comments and docstrings."""

    def edit() -> str:
        content, before = Path(path).read_bytes(), source_digest(Path(path))
        while True:
            flip(path, draw(1 << 20))()
            with suppress(SyntaxError, ValueError):
                if source_digest(Path(path)) == before:
                    Path(path).write_bytes(content)
                    continue
            return path

    return edit
