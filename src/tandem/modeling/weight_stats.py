"""Size, number and digest of the weights in a model folder."""

import hashlib
import math
from pathlib import Path
from typing import Any

from tandem.core import io, paths
from tandem.loading import tensors


def weight_stats(folder: Path) -> dict[str, Any]:
    """Bytes, numbers and SHA-256 of a folder's weights, in the order of their file names.

    Weights are the files *.safetensors, *.onnx, and *.data, which several graphs share. All stored
    numbers count: integers and their scales too, tied weights once. Where the files do not say how
    many numbers they hold, tandem.json does. benchmarks/latency.json identifies weights by this
    digest, so the report knows whether a latency was measured with these weights.
    """
    digest, size, numbers = hashlib.sha256(), 0, 0
    counts = {".safetensors": _tensors, ".onnx": _graph}
    files = (p for p in folder.rglob("*") if p.is_file() and p.suffix in (*counts, ".data"))
    for path in sorted(files):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        numbers += counts[path.suffix](path) if path.suffix in counts else 0
    if (marker := folder / paths.METHOD).exists():
        numbers = io.read_json(marker).get("numbers", numbers)
    return {"size_bytes": size, "parameters": numbers, "weights_sha256": digest.hexdigest()}


def _tensors(path: Path) -> int:
    """The numbers in a safetensors file."""
    return sum(math.prod(shape) for shape in tensors.header(path).values())


def _graph(path: Path) -> int:
    """The numbers in the constants of an ONNX graph."""
    import onnx

    return sum(math.prod(constant.dims) for constant in onnx.load(path).graph.initializer)
