"""Single changes to a small project, made by rule; each says what the audit has to name."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tandem.core.source_digest import source_digest

LOCK, PARAMS, DAG = Path("dvc.lock"), Path("params.yaml"), Path("dvc.yaml")


def flip(path: str, at: int) -> Callable[[], str]:
    """An edit of one byte of a file; it says what has to be named."""

    def edit() -> str:
        content = bytearray(Path(path).read_bytes())
        content[at % len(content)] ^= 1
        Path(path).write_bytes(content)
        return path

    return edit


def swap(one: str, other: str) -> Callable[[], str]:
    def edit() -> str:
        a, b = Path(one).read_bytes(), Path(other).read_bytes()
        Path(one).write_bytes(b)
        Path(other).write_bytes(a)
        return one

    return edit


def put(path: str, content: str, named: str = "") -> Callable[[], str]:
    def edit() -> str:
        Path(path).write_text(content)
        return named or path

    return edit


def replace(path: str, old: str, new: str, named: str = "") -> Callable[[], str]:
    def edit() -> str:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new, 1))
        return named or path

    return edit


def drop(path: str) -> Callable[[], str]:
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


def tampers(root: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Single changes of every kind of thing, by rule; the places of bytes are drawn with a seed."""
    draw = random.Random(13).randrange
    for stage in STAGES:
        for name in ARTIFACTS[stage]:
            path = f"{FOLDER[stage]}/{name}"
            for _ in range(3):
                at = draw(1 << 20)
                yield f"byte {at} of {path}", flip(path, at)
            yield f"{path} with more at its end", append(path)
            yield f"{path} gone", drop(path)
        yield f"{FOLDER[stage]} with a file more", put(f"{FOLDER[stage]}/more.parquet", "more")
        metric = f"reports/details/{stage}/intent.json"
        yield f"{metric} gone", drop(metric)
        yield f"byte of {metric}", flip(metric, draw(1 << 20))
        record = f"reports/lineage/{stage}/intent.json"
        yield f"{record} gone", drop(record)
        yield f"{record} cut short", cut(record)
        for _ in range(4):
            at = draw(1 << 20)
            yield f"byte {at} of {record}", flip(record, at)
        for other in STAGES:
            if other != stage:
                yield (
                    f"record of {other} for {stage}",
                    copy(f"reports/lineage/{other}/intent.json", record),
                )
    for name in ("rows.parquet", "README.md"):
        yield (
            f"raw {name} for another",
            swap(f"data/raw/intent/{name}", "data/clean/intent/dropped.parquet"),
        )
    yield (
        "train for test",
        swap("data/split/intent/train.parquet", "data/split/intent/test.parquet"),
    )
    yield (
        "a record of no stage",
        copy("reports/lineage/clean/intent.json", "reports/lineage/clean/other.json"),
    )
    yield from of_lock(root)
    yield from of_settings(root, draw)


def of_lock(root: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Values of dvc.lock changed: digests, sizes, counts, commands, params, paths; stages gone."""
    lines = (root / LOCK).read_text().splitlines()
    for number, line in enumerate(lines):
        key, _, value = line.strip().removeprefix("- ").partition(": ")
        if not value:
            continue
        last = value[-1] if value[-1] not in "'\"" else value[-2]
        other = str((int(last) + 1) % 10) if last.isdigit() else ("b" if last == "a" else "a")
        at = line.rindex(last)
        changed = line[:at] + other + line[at + 1 :]
        if number % 3 == 0 or key in {"cmd", "schema"}:
            yield f"dvc.lock, line {number}: {changed.strip()}", put_line(number, changed)
    yield "dvc.lock without its last stage", lambda: write_lock(cut_last(lines))
    yield "an empty dvc.lock", put("dvc.lock", "", "dvc.lock")


def cut_last(lines: list[str]) -> list[str]:
    starts = [n for n, line in enumerate(lines) if line.startswith("  ") and line[2] != " "]
    return lines[: starts[-1]]


def write_lock(lines: list[str]) -> str:
    LOCK.write_text("\n".join(lines) + "\n")
    return "dvc.lock"


def put_line(number: int, line: str) -> Callable[[], str]:
    def edit() -> str:
        lines = LOCK.read_text().splitlines()
        lines[number] = line
        return write_lock(lines)

    return edit


def of_settings(root: Path, draw: Callable[[int], int]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Params, source pins, code, locked packages, the declared pipeline."""
    yield "a source's pin", replace("params.yaml", "256eb1e4", "256eb1e5", "intent.fetch")
    yield "a source's version", replace("params.yaml", "2026.10.27", "2026.10.28", "intent.fetch")
    yield "a param", replace("params.yaml", "max_words: 60", "max_words: 61", "intent.clean")
    yield (
        "the seed",
        replace("params.yaml", "  seed: 13\n  threads", "  seed: 14\n  threads", "runtime"),
    )
    yield (
        "a filter less",
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
        "a dependency less",
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


def cut(path: str) -> Callable[[], str]:
    def edit() -> str:
        Path(path).write_bytes(Path(path).read_bytes()[:-100])
        return path

    return edit


def copy(one: str, other: str) -> Callable[[], str]:
    def edit() -> str:
        shutil.copy(one, other)
        return other

    return edit


def flip_code(path: str, draw: Callable[[int], int]) -> Callable[[], str]:
    """An edit of one byte of a source file that is neither in a comment nor in a docstring."""

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
