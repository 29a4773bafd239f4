"""Measure lineage queries on generated pipelines of growing size.

    python benchmarks/lineage.py                      1,000 and 5,000 stages
    python benchmarks/lineage.py --stages 200 400

Each generated stage reads the outputs of two earlier stages and a source file, and writes one small
file. Records, dvc.lock and dvc.yaml have the same format as those of a real project.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from tandem.core import io, provenance
from tandem.core.provenance import RunRecord, StageSpec, digest
from tandem.lineage.audit import checks
from tandem.lineage.audit import dvc_lock as locks
from tandem.lineage.graph import record_of
from tandem.lineage.queries import impact, show

CODE = "src/code.py"
PARAMS = (
    "runtime: {seed: 13, threads: 1, isa: default, device: cpu}\n"
    "tasks: []\nmethods: []\npreferences: {}\n"
)
ROUNDS = 3


def make(root: Path, stages: int) -> None:
    """Write a project of `stages` generated stages into `root`, and make it the current folder."""
    os.chdir(root)
    Path("src").mkdir()
    Path(CODE).write_text("pass\n")
    Path("params.yaml").write_text(PARAMS)
    Path("requirements.lock").write_text("")
    declared = [stage(number) for number in range(stages)]
    lock = {}
    for spec in declared:
        out = Path(spec.outs[0])
        out.parent.mkdir(parents=True, exist_ok=True)
        with provenance.record_run(spec):
            out.write_text(spec.name)
        content = io.read_details(Path(spec.record))
        record = RunRecord.model_validate(content)
        outs = record.outputs | {spec.record: digest(Path(spec.record))}
        lock[spec.name] = {
            "cmd": record.command,
            "deps": locks.entries(record.inputs),
            "params": {"params.yaml": record.params},
            "outs": locks.entries(outs),
        }
    content = {
        spec.name: {
            "cmd": spec.command,
            "deps": [*spec.deps],
            "params": [*spec.params],
            "outs": [spec.outs[0], {spec.record: {"cache": False}}],
        }
        for spec in declared
    }
    yaml = YAML(typ="safe")
    yaml.dump({"stages": content}, Path("dvc.yaml"))
    yaml.dump({"schema": "2.0", "stages": lock}, Path("dvc.lock"))


def stage(number: int) -> StageSpec:
    """A stage that reads the outputs of two earlier stages."""
    name = f"make-{number}"
    needed = sorted({number // 2, number // 3} - {number})
    record = record_of(name)
    return StageSpec(
        name=name,
        command=f"tandem make {number}",
        deps=(*(f"data/{n // 100}/{n}.txt" for n in needed), CODE),
        params=("runtime",),
        outs=(f"data/{number // 100}/{number}.txt", record),
        in_git=(record,),
    )


def measure(stages: int) -> dict[str, float]:
    """Query → CPU seconds, the minimum over the rounds."""
    last = f"make-{stages - 1}"
    queries: dict[str, Callable[[], object]] = {
        "show": lambda: show.to_text(show.query(last)),
        "impact": lambda: impact.to_text(impact.query("make-1")),
        "audit": checks.run,
    }
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), stages)
        seconds = {
            name: min(_cpu_seconds(run) for _ in range(ROUNDS)) for name, run in queries.items()
        }
        os.chdir(here)
    return seconds


def _cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Print the seconds of each query for each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stages", type=int, nargs="+", default=[1000, 5000])
    for size in parser.parse_args().stages:
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in measure(size).items())
        print(f"{size} stages: {times}")


if __name__ == "__main__":
    main()
