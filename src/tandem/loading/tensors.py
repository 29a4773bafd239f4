"""Read safetensors files, whose headers are checked first (github.com/huggingface/safetensors)."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tandem.core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 100_000_000
"""Bytes, the limit of the format."""
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of a number, by the names of types in headers."""

Shapes = dict[str, tuple[int, ...]]


def header(path: Path, name: str | None = None) -> Shapes:
    """The shape of each tensor in a safetensors file; `name` is what messages call the file.

    Raises:
        DataError: the file is damaged, or its header does not match its length.
    """
    problem = name or str(path)
    try:
        return _checked(path)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise DataError(f"{problem} is not a whole safetensors file: {reason}") from None


def load(path: Path) -> "dict[str, Tensor]":
    """All tensors of a safetensors file, on the CPU.

    Raises:
        DataError: the file is damaged.
    """
    from safetensors.torch import load_file

    header(path)
    found: dict[str, Tensor] = load_file(path)
    return found


def _checked(path: Path) -> Shapes:
    """The shapes in a file.

    Raises:
        ValueError: why the file is not one of safetensors.
    """
    if not path.is_file():
        raise ValueError("it is missing or not a file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(LONGEST_HEADER, size - 8):
            raise ValueError(f"it has {size} bytes, and its header {length}")
        content = json.loads(file.read(length).decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("its header is not a JSON object")
    content.pop("__metadata__", None)
    if not content:
        raise ValueError("it holds no tensor")
    spans = sorted(_span(name, entry) for name, entry in content.items())
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise ValueError(f"the bytes of {name} overlap others or leave a gap")
        end = stop
    if end != size - 8 - length:
        raise ValueError(f"it has {size - 8 - length} bytes of numbers, and its header says {end}")
    return {name: tuple(entry["shape"]) for name, entry in content.items()}


def _span(name: str, entry: Any) -> tuple[int, int, str]:
    """Where the bytes of a tensor start and stop, and its name; a ValueError if they cannot."""
    try:
        bits, shape, (start, stop) = BITS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        sane = all(type(n) is int and n >= 0 for n in (*shape, start, stop))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"its header says nothing known of {ascii(name)[:80]}") from None
    if not sane or 8 * (stop - start) != math.prod(shape) * bits:
        raise ValueError(f"type, shape and bytes of {ascii(name)[:80]} do not match")
    return start, stop, name
