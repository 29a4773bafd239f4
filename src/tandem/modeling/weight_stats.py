"""Size, count and digest of the weights in a model folder."""

import hashlib
import math
from pathlib import Path
from typing import Any

from tandem.core import io, paths
from tandem.loading import tensors


def weight_stats(folder: Path) -> dict[str, Any]:
    """The size in bytes, the count and the SHA-256 digest of the weights in `folder`.

    The weight files are *.safetensors, *.onnx, and *.data (weights that several ONNX graphs share);
    the digest covers all files in the order of their names. All stored values are counted,
    including quantized values and their scales; tied weights are counted once. If the weight files
    do not specify how many values they contain, tandem.json contains this number.
    benchmarks/latency.json identifies weights by this digest, so the report can check whether a
    latency was measured with these weights.
    """
    digest, size, parameters = hashlib.sha256(), 0, 0
    counters = {".safetensors": _count_tensors, ".onnx": _count_constants}
    suffixes = (*counters, ".data")
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in suffixes)
    for path in sorted(files):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                size += len(block)
        parameters += counters[path.suffix](path) if path.suffix in counters else 0
    if (marker := folder / paths.METHOD).exists():
        parameters = io.read_json(marker).get("numbers", parameters)
    return {"size_bytes": size, "parameters": parameters, "weights_sha256": digest.hexdigest()}


def _count_tensors(path: Path) -> int:
    """The number of values in a safetensors file."""
    return sum(math.prod(shape) for shape in tensors.header(path).values())


def _count_constants(path: Path) -> int:
    """The number of values in the initializers of an ONNX graph."""
    import onnx

    return sum(math.prod(constant.dims) for constant in onnx.load(path).graph.initializer)
