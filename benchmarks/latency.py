"""Measure how fast each task's variants answer, beside their fp32 base, in turns, on one thread.

Reads   data/split/TASK/test.parquet, models/TASK/{base,METHOD}, params.yaml
Writes  benchmarks/latency.json, which is committed: the report shows it, no DVC stage makes it

    python benchmarks/latency.py

A round lets every variant answer the same rows once, each round starting with the next one, so
that whatever else the machine does meets all of them. What is measured is CPU time, which on one
thread is the time of an idle machine. `speedup` is the median over the rounds of the base's time
divided by the variant's of the same round; `low` and `high` are the least and the largest.
"""

import argparse
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from tandem.core import determinism, io, params, paths, records
from tandem.core import task as tasks
from tandem.core.params import Runtime

OUT = Path("benchmarks/latency.json")
CPUINFO = Path("/proc/cpuinfo")
BASE = "base"


def main() -> None:
    """Measure all tasks of params.yaml and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=64, help="test rows of a task (default 64)")
    parser.add_argument("--rounds", type=int, default=9, help="times each answers (default 9)")
    asked = parser.parse_args()
    project = params.project()
    runtime = project.runtime.model_copy(update={"threads": 1})
    determinism.pin_environment(runtime)  # before torch is imported
    found: dict[str, Any] = {"machine": machine(runtime)}
    for task in project.tasks:
        found[task] = measure(task, [BASE, *project.methods], runtime, asked.rows, asked.rounds)
        for variant, entry in found[task].items():
            print(f"{task:12} {variant:8} {entry['milliseconds_per_row']:8.2f} ms a row, ", end="")
            print(f"{entry['speedup']:.2f}x ({entry['low']:.2f} to {entry['high']:.2f})")
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
    """Each variant's milliseconds a row and its speed-up, with the hash of its weights."""
    from tandem import metrics, modeling
    from tandem.pins import pin_torch
    from tandem.stages import evaluate

    pin_torch(runtime)
    known = tasks.load(task)
    rows = metrics.sample(records.read(paths.split(task) / "test.parquet", known.row), count)
    batch_size = params.load(evaluate.Params, task, "evaluate").batch_size
    models = {variant: modeling.load(paths.model(task, variant), known) for variant in variants}
    for model in models.values():
        model.predict(rows, batch_size)  # the first answer pays for what is made once
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for turn in range(rounds):
        shift = turn % len(variants)
        for variant in variants[shift:] + variants[:shift]:
            start = time.process_time()
            models[variant].predict(rows, batch_size)
            seconds[variant].append(time.process_time() - start)
    return {
        variant: figures(seconds[variant], seconds[BASE], len(rows))
        | {"weights_sha256": evaluate.weights(paths.model(task, variant))["weights_sha256"]}
        for variant in variants
    }


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
