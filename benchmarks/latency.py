"""Measure the inference speed of each task's fp32 base model and its variants, on one thread.

Reads   data/split/TASK/test.parquet, models/TASK/{base,METHOD}, params.yaml
Writes  benchmarks/latency.json, which is committed; the report shows it, but no stage writes it

    python benchmarks/latency.py

There are two scenarios: `single` predicts one row at a time, and `batch` uses the batch size of the
evaluate stage. The scenarios correspond to SingleStream and Offline of MLPerf Inference (Reddi et
al. 2020). In each round every variant predicts the same rows once. The variant that goes first
rotates from round to round, so that other load on the machine affects all variants equally. CPU
time is measured; on one thread it equals the elapsed time on an idle machine. `speedup` is the
median, over the rounds, of the base model's time divided by the variant's time in the same round;
`low` and `high` are the minimum and the maximum of this ratio.

ONNX Runtime chooses its kernels depending on the CPU, so its predictions can differ between CPUs
and cannot be an artifact of the pipeline. If a network can be exported, this script makes the
variant `onnx` from the base model, with the params of the method `int8`. The script also scores
`onnx` on the test rows of the evaluate stage, one row at a time, because this variant is meant for
single rows.
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
    """Measure all tasks in params.yaml; print the results and write them to `OUT`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64, help="test rows per task (default 64)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per scenario (default 5)")
    options = parser.parse_args()
    project = params.project()
    runtime = project.runtime.model_copy(update={"threads": 1})
    determinism.pin_environment(runtime)  # has to run before torch is imported
    results: dict[str, Any] = {"machine": machine(runtime)}
    for task in project.tasks:
        results[task] = measure(
            task, [BASE, *project.methods], runtime, options.rows, options.rounds
        )
        for variant, entry in results[task].items():
            for scenario in ("single", "batch"):
                measured = entry[scenario]
                print(f"{task:12} {variant:8} {scenario:6}", end="")
                print(f" {measured['milliseconds_per_row']:8.2f} ms per row,", end="")
                print(
                    f" {measured['speedup']:.2f}x ({measured['low']:.2f} to {measured['high']:.2f})"
                )
    io.write_json(OUT, results)


def machine(runtime: Runtime) -> dict[str, Any]:
    """The machine and the settings of the measurement."""
    import torch

    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        # VNNI instructions speed up 8-bit matrix products
        "vnni": any("vnni" in flag for flag in flags),
        "isa": runtime.isa,
        "threads": runtime.threads,
        "torch": torch.__version__,
    }


def measure(
    task_name: str, variants: list[str], runtime: Runtime, count: int, rounds: int
) -> dict[str, Any]:
    """Variant → its speed in both scenarios and the hash of its weights.

    The entry of an ONNX graph contains its scores and, instead of a hash of its own weights, the
    hash of the weights of the base model that it was exported from.

    Args:
        task_name: The task.
        variants: The variants to measure; their models have to exist.
        runtime: Seed and threads.
        count: Number of rows that are predicted in each round.
        rounds: Number of rounds per scenario.
    """
    from tandem import metrics, modeling
    from tandem.modeling.seeding import make_torch_deterministic
    from tandem.stages import evaluate

    make_torch_deterministic(runtime)
    task = tasks.load(task_name)
    settings = params.load(evaluate.Params, task_name, "evaluate")
    source = paths.split(task_name) / "test.parquet"
    tested = metrics.sample(read_rows(source, task.row), settings.max_rows, str(source))
    folders = {variant: paths.model(task_name, variant) for variant in variants}
    entries: dict[str, dict[str, Any]] = {
        variant: {SHA: weight_stats(folder)[SHA]} for variant, folder in folders.items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        has_graph = ONNX not in variants and write_graph(task_name, runtime, Path(scratch))
        if has_graph:
            folders[ONNX] = Path(scratch)
        models = {variant: modeling.load(folder, task) for variant, folder in folders.items()}
        if has_graph:
            answers = models[ONNX].predict(tested, 1)
            scores, _ = metrics.score(task, tested, answers, runtime)
            entries[ONNX] = {
                "of_sha256": entries[BASE][SHA],
                "scores": scores | weight_stats(folders[ONNX]),
            }
    rows = metrics.sample(tested, count)
    for scenario, size in (("single", 1), ("batch", settings.batch_size)):
        seconds = timed(models, rows, size, rounds)
        for variant, times in seconds.items():
            entries[variant][scenario] = summarize(times, seconds[BASE], len(rows))
    return entries


def write_graph(task_name: str, runtime: Runtime, folder: Path) -> bool:
    """Export a task's base model to `folder` as ONNX graphs; False for an encoder-decoder model."""
    from tandem import modeling
    from tandem.compression import CompressionContext, int8, onnx

    task = tasks.load(task_name)
    model = modeling.load(paths.model(task_name, BASE), task)
    if getattr(model.network.config, "is_encoder_decoder", False):
        return False
    rows = read_rows(paths.augmented(task_name) / "train.parquet", task.row)
    shared = params.load(int8.Params, task_name, "int8").model_dump(
        include={*onnx.Params.model_fields}
    )
    settings = onnx.Params.model_validate(shared)
    onnx.compress(CompressionContext(model, rows, [], runtime, folder), settings)
    return True


def timed(
    models: dict[str, Any], rows: Sequence[Any], size: int, rounds: int
) -> dict[str, list[float]]:
    """Model → CPU seconds per round for all `rows`, in batches of `size`."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    for model in models.values():
        model.predict(batches[0], size)  # not measured: the first call includes initialization
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


def summarize(times: list[float], base: list[float], rows: int) -> dict[str, float]:
    """Median milliseconds per row, and the speed-up over the base model: median and range."""
    ratios = [theirs / mine for mine, theirs in zip(times, base, strict=True)]
    return {
        "milliseconds_per_row": round(1000 * statistics.median(times) / rows, 3),
        "speedup": round(statistics.median(ratios), 3),
        "low": round(min(ratios), 3),
        "high": round(max(ratios), 3),
    }


if __name__ == "__main__":
    main()
