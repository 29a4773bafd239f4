"""Read safetensors files (github.com/huggingface/safetensors) after checking their headers."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tandem.core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER = 100_000_000
"""Maximum size of a header in bytes, as defined by the safetensors format."""
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Data type in a header → bits per element."""

Shapes = dict[str, tuple[int, ...]]


def header(path: Path, name: str | None = None) -> Shapes:
    """Return the shape of each tensor in a safetensors file.

    Args:
        path: The file.
        name: The name of the file in error messages; None means its path.

    Raises:
        DataError: the file is damaged, or its length does not match its header.
    """
    try:
        return _read_shapes(path)
    except (ValueError, RecursionError) as error:
        reason = "its header is nested too deeply" if isinstance(error, RecursionError) else error
        raise DataError(f"{name or path} is not a complete safetensors file: {reason}") from None


def load(path: Path) -> "dict[str, Tensor]":
    """Load all tensors of a safetensors file, on the CPU.

    Raises:
        DataError: the file is damaged.
    """
    from safetensors.torch import load_file

    header(path)
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _read_shapes(path: Path) -> Shapes:
    """Check the header of a safetensors file, and return the shape of each tensor.

    Raises:
        ValueError: the file is not a complete safetensors file; the message states the reason.
    """
    if not path.is_file():
        raise ValueError("it is missing or not a file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise ValueError(f"it has {size} bytes, but declares a header of {length} bytes")
        content = json.loads(file.read(length).decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("its header is not a JSON object")
    content.pop("__metadata__", None)
    if not content:
        raise ValueError("it has no tensors")
    # The bytes of the tensors must follow each other without gaps until the end of the file.
    ranges = sorted(_byte_range(name, entry) for name, entry in content.items())
    end = 0
    for start, stop, name in ranges:
        if start != end:
            raise ValueError(f"the bytes of {name} overlap other tensors or leave a gap")
        end = stop
    if end != size - 8 - length:
        raise ValueError(
            f"it has {size - 8 - length} bytes of data, but its header declares {end} bytes"
        )
    return {name: tuple(entry["shape"]) for name, entry in content.items()}


def _byte_range(name: str, entry: Any) -> tuple[int, int, str]:
    """Return the start and end of a tensor's bytes, and the tensor's name.

    Raises:
        ValueError: the entry is not valid, or its type, shape and byte range do not match.
    """
    try:
        bits, shape, (start, stop) = BITS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        is_valid = all(type(n) is int and n >= 0 for n in (*shape, start, stop))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"its header has no valid entry for {ascii(name)[:80]}") from None
    if not is_valid or 8 * (stop - start) != math.prod(shape) * bits:
        raise ValueError(f"type, shape and byte range of {ascii(name)[:80]} do not match")
    return start, stop, name
