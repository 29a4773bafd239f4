"""Measure how fast each task's variants answer, beside their fp32 base, in turns, on one thread.

Reads   data/split/TASK/test.parquet, models/TASK/{base,METHOD}, params.yaml
Writes  benchmarks/latency.json, which is committed: the report shows it, no DVC stage makes it

    python benchmarks/latency.py

Rows are answered `single`, one at a time, as when somebody waits, and in a `batch`, as evaluate
does: the scenarios SingleStream and Offline of MLPerf Inference (Reddi et al. 2020). A round lets
every variant answer the same rows once, each round starting with the next one, so that whatever
else the machine does meets all of them. What is measured is CPU time, which on one thread is the
time of an idle machine. `speedup` is the median over the rounds of the base's time divided by the
variant's of the same round; `low` and `high` are the least and the largest.

ONNX Runtime chooses its kernels by the CPU, so what it answers is no artifact of the pipeline:
where a network has a graph, `onnx` is made of the base here, by the settings of int8, and scored
here too, on the test rows of evaluate, one at a time, which is what it is for.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths
from tandem.core import task as tasks
from tandem.core.params import Runtime
from tandem.core.rows import read_rows
from tandem.modeling.weight_stats import weight_stats
from tandem.report.scores import ONNX

OUT = Path("benchmarks/latency.json")
CPUINFO = Path("/proc/cpuinfo")
BASE = "base"
SHA = "weights_sha256"


def main() -> None:
    """Measure all tasks of params.yaml and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64, help="test rows of a task (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="times each answers (default 5)")
    asked = parser.parse_args()
    project = params.project()
    runtime = project.runtime.model_copy(update={"threads": 1})
    determinism.pin_environment(runtime)  # before torch is imported
    found: dict[str, Any] = {"machine": machine(runtime)}
    for task in project.tasks:
        found[task] = measure(task, [BASE, *project.methods], runtime, asked.rows, asked.rounds)
        for variant, entry in found[task].items():
            for scenario in ("single", "batch"):
                took = entry[scenario]
                print(f"{task:12} {variant:8} {scenario:6}", end="")
                print(f" {took['milliseconds_per_row']:8.2f} ms a row,", end="")
                print(f" {took['speedup']:.2f}x ({took['low']:.2f} to {took['high']:.2f})")
    io.write_json(OUT, found)


def machine(runtime: Runtime) -> dict[str, Any]:
    """What the figures hold for."""
    import torch

    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        # what products of 8-bit integers gain by depends on it
        "vnni": any("vnni" in flag for flag in flags),
        "isa": runtime.isa,
        "threads": runtime.threads,
        "torch": torch.__version__,
    }


def measure(
    task: str, variants: list[str], runtime: Runtime, count: int, rounds: int
) -> dict[str, Any]:
    """Each variant's speed in both scenarios, with the hash of its weights.

    Of the graph also the scores, and the hash of the base that it was made of.
    """
    from tandem import metrics, modeling
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.stages import evaluate

    make_torch_deterministic(runtime)
    known = tasks.load(task)
    settings = params.load(evaluate.Params, task, "evaluate")
    source = paths.split(task) / "test.parquet"
    tested = metrics.sample(read_rows(source, known.row), settings.max_rows, str(source))
    folders = {variant: paths.model(task, variant) for variant in variants}
    entries: dict[str, dict[str, Any]] = {
        variant: {SHA: weight_stats(folder)[SHA]} for variant, folder in folders.items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        made = ONNX not in variants and write_graph(task, runtime, Path(scratch))
        if made:
            folders[ONNX] = Path(scratch)
        models = {variant: modeling.load(folder, known) for variant, folder in folders.items()}
        if made:
            answers = models[ONNX].predict(tested, 1)
            scores, _ = metrics.score(known, tested, answers, runtime)
            entries[ONNX] = {
                "of_sha256": entries[BASE][SHA],
                "scores": scores | weight_stats(folders[ONNX]),
            }
    rows = metrics.sample(tested, count)
    for scenario, size in (("single", 1), ("batch", settings.batch_size)):
        seconds = timed(models, rows, size, rounds)
        for variant, own in seconds.items():
            entries[variant][scenario] = figures(own, seconds[BASE], len(rows))
    return entries


def write_graph(task: str, runtime: Runtime, folder: Path) -> bool:
    """Write the base of `task` as graphs into `folder`; whether it can be."""
    from tandem import modeling
    from tandem.compression import CompressionContext, int8, onnx

    known = tasks.load(task)
    model = modeling.load(paths.model(task, BASE), known)
    if getattr(model.network.config, "is_encoder_decoder", False):
        return False
    rows = read_rows(paths.augmented(task) / "train.parquet", known.row)
    shared = params.load(int8.Params, task, "int8").model_dump(include={*onnx.Params.model_fields})
    settings = onnx.Params.model_validate(shared)
    onnx.compress(CompressionContext(model, rows, [], runtime, folder), settings)
    return True


def timed(
    models: dict[str, Any], rows: Sequence[Any], size: int, rounds: int
) -> dict[str, list[float]]:
    """CPU seconds of each model in each round, for `rows`, so many at a time."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    for model in models.values():
        model.predict(batches[0], size)  # the first answer pays for what is made once
    seconds: dict[str, list[float]] = {variant: [] for variant in models}
    order = list(models)
    for turn in range(rounds):
        shift = turn % len(order)
        for variant in order[shift:] + order[:shift]:
            start = time.process_time()
            for batch in batches:
                models[variant].predict(batch, size)
            seconds[variant].append(time.process_time() - start)
    return seconds


def figures(own: list[float], base: list[float], rows: int) -> dict[str, float]:
    """Median milliseconds a row, and the speed-up over the base with its spread."""
    ratios = [theirs / mine for mine, theirs in zip(own, base, strict=True)]
    return {
        "milliseconds_per_row": round(1000 * statistics.median(own) / rows, 3),
        "speedup": round(statistics.median(ratios), 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
    }


if __name__ == "__main__":
    main()
