"""Format numbers for the lines that report what a stage or a command did."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

WEIGHTS = (".safetensors", ".onnx", ".data")
"""The file extensions of model weights."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, in the singular or the plural.

    >>> counted(1, "row"), counted(23705, "row"), counted(2, "entry", "entries")
    ('1 row', '23,705 rows', '2 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def most_frequent(counts: Mapping[str, int], limit: int = 3) -> str:
    """The highest counts with their names, and the sum of the remaining counts; zeros are omitted.

    >>> most_frequent({"duplicate": 1300, "too_long": 20, "empty": 3, "not_en": 2, "conflict": 0})
    'duplicate 1,300, too_long 20, empty 3, others 2'
    """
    ordered = sorted(((name, n) for name, n in counts.items() if n), key=lambda pair: -pair[1])
    parts = [f"{name} {number:,}" for name, number in ordered[:limit]]
    rest = sum(number for _, number in ordered[limit:])
    return ", ".join([*parts, *([f"others {rest:,}"] if rest else [])])


def percentages(counts: Mapping[str, int]) -> str:
    """Each count as a percentage of their sum.

    >>> percentages({"negative": 31, "positive": 69})
    'negative 31 %, positive 69 %'
    """
    total = sum(counts.values()) or 1
    return ", ".join(f"{name} {100 * number / total:.0f} %" for name, number in counts.items())


def score(name: str, values: Mapping[str, Any]) -> str:
    """A score with its confidence interval, if it has one.

    >>> score("pair_accuracy", {"value": 0.8423, "low": 0.83, "high": 0.8561})
    'pair accuracy 0.842 (0.830 to 0.856)'
    """
    text = f"{name.replace('_', ' ')} {values['value']:.3f}"
    ends = values.get("low"), values.get("high")
    return text if None in ends else f"{text} ({ends[0]:.3f} to {ends[1]:.3f})"


def scores(values: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> str:
    """The scores listed in `names`, each with its confidence interval if it has one."""
    return ", ".join(score(name, values[name]) for name in names)


def weights_size(folder: Path) -> int:
    """The size in bytes of the weights in a model folder."""
    files = (path for path in folder.rglob("*") if path.suffix in WEIGHTS and path.is_file())
    return sum(path.stat().st_size for path in files)


def file_size(size: float) -> str:
    """A number of bytes in human-readable form.

    >>> file_size(999), file_size(4_386_000), file_size(517_000_000), file_size(2_100_000_000)
    ('999 B', '4.4 MB', '517 MB', '2.1 GB')
    """
    units = ["B", "kB", "MB", "GB"]
    power = min(max(len(f"{int(size)}") - 1, 0) // 3, len(units) - 1)
    value = size / 1000**power
    return f"{value:.{int(power > 0 and value < 100)}f} {units[power]}"
