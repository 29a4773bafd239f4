"""How long questions of lineage take on made-up pipelines of growing size.

    python benchmarks/lineage.py                      1,000 and 5,000 stages, in turns
    python benchmarks/lineage.py --stages 200 400

Each made-up stage reads the outputs of two stages before it and a file of code, and writes one
small file; records, dvc.lock and dvc.yaml are in the forms of the real ones.
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
    """Write a project of so many stages into `root`, which becomes the current folder."""
    os.chdir(root)
    Path("src").mkdir()
    Path(CODE).write_text("pass\n")
    Path("params.yaml").write_text(PARAMS)
    Path("requirements.lock").write_text("")
    declared = [stage(number) for number in range(stages)]
    lock = {}
    for each in declared:
        out = Path(each.outs[0])
        out.parent.mkdir(parents=True, exist_ok=True)
        with provenance.record_run(each):
            out.write_text(each.name)
        (content,) = io.read_json(Path(each.record))
        record = RunRecord.model_validate(content)
        outs = record.outputs | {each.record: digest(Path(each.record))}
        lock[each.name] = {
            "cmd": record.command,
            "deps": locks.entries(record.inputs),
            "params": {"params.yaml": record.params},
            "outs": locks.entries(outs),
        }
    content = {
        each.name: {
            "cmd": each.command,
            "deps": [*each.deps],
            "params": [*each.params],
            "outs": [each.outs[0], {each.record: {"cache": False}}],
        }
        for each in declared
    }
    yaml = YAML(typ="safe")
    yaml.dump({"stages": content}, Path("dvc.yaml"))
    yaml.dump({"schema": "2.0", "stages": lock}, Path("dvc.lock"))


def stage(number: int) -> StageSpec:
    """A stage that reads what two earlier ones wrote."""
    name = f"make-{number}"
    above = sorted({number // 2, number // 3} - {number})
    record = record_of(name)
    return StageSpec(
        name=name,
        command=f"tandem make {number}",
        deps=(*(f"data/{other // 100}/{other}.txt" for other in above), CODE),
        params=("runtime",),
        outs=(f"data/{number // 100}/{number}.txt", record),
        in_git=(record,),
    )


def measure(stages: int) -> dict[str, float]:
    """CPU seconds of each question, the least of some rounds."""
    last = f"make-{stages - 1}"
    questions: dict[str, Callable[[], object]] = {
        "show": lambda: show.to_text(show.query(last)),
        "impact": lambda: impact.to_text(impact.query("make-1")),
        "audit": checks.run,
    }
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), stages)
        found = {name: min(_seconds(ask) for _ in range(ROUNDS)) for name, ask in questions.items()}
        os.chdir(here)
    return found


def _seconds(ask: Callable[[], object]) -> float:
    start = time.process_time()
    ask()
    return time.process_time() - start


def main() -> None:
    """Print the seconds of each question for each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stages", type=int, nargs="+", default=[1000, 5000])
    for size in parser.parse_args().stages:
        told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in measure(size).items())
        print(f"{size} stages: {told}")


if __name__ == "__main__":
    main()
