"""Score one variant of a task's model on the test rows.

Reads   data/split/TASK/test.parquet, models/TASK/VARIANT; the params `runtime` and
        `TASK.evaluate`
Writes  reports/predictions/TASK/VARIANT.parquet     each test row's answer, and statistics
        reports/metrics/evaluate/TASK-VARIANT.json   scores with intervals, size of the weights

    tandem evaluate sentiment base
"""

import hashlib
import math
from pathlib import Path
from typing import Any

from tandem import metrics
from tandem.core import io, params, paths
from tandem.core import task as tasks
from tandem.core.rows import read_rows
from tandem.loading import tensors


class Params(metrics.TestRows):
    """Which test rows are scored, the same for baselines and all variants."""


def main(task: str, variant: str) -> None:
    """Evaluate one variant of one task's model."""
    from tandem import modeling
    from tandem.modeling.seeding import pin_torch

    runtime = params.project().runtime
    settings = params.load(Params, task, "evaluate")
    known = tasks.load(task)
    source = paths.split(task) / "test.parquet"
    rows = metrics.sample(read_rows(source, known.row), settings.max_rows, str(source))
    folder = paths.model(task, variant)

    pin_torch(runtime)
    model = modeling.load(folder, known)
    answers = model.predict(rows, settings.batch_size)
    scores, tables = metrics.score(known, rows, answers, runtime)

    found = scores | weights(folder)
    with io.writing(
        paths.predictions(task, variant), paths.metrics("evaluate", f"{task}-{variant}")
    ) as (table, figures):
        metrics.write_predictions(table, rows, answers, tables)
        io.write_json(figures, found)


def weights(folder: Path) -> dict[str, Any]:
    """Of a model folder's weights, by the names of their files: bytes, numbers, SHA-256.

    Weights are what *.safetensors and *.onnx hold, and *.data, which several graphs share. What is
    counted is what lies there, so integer weights count as well as others, with their scales, and
    tied ones once; where files do not say how many there are, tandem.json does.
    `benchmarks/latency.json` names weights by this hash, so that the report can tell whether a
    latency was measured on these.
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
    """How many numbers a safetensors file holds."""
    return sum(math.prod(shape) for shape in tensors.header(path).values())


def _graph(path: Path) -> int:
    """How many numbers the constants of an ONNX graph hold."""
    import onnx

    return sum(math.prod(constant.dims) for constant in onnx.load(path).graph.initializer)
