"""Measure the overhead of each engine: CPU seconds and executed stages.

    python benchmarks/engines.py                        # projects of 60, 300 and 1,000 stages
    python benchmarks/engines.py --sizes 60 --json engines.json

Each project consists of one dvc.yaml, whose stages are short shell commands, and the Snakefile of
this checkout. Every scenario runs under `dvc repro`, under `snakemake`, and under plain Snakemake
with the same DAG written by hand. CPU seconds are user and system time of all processes that the
command starts, including servers. The command of each stage appends a line to a file, so executed
stages are counted, not inferred from outputs. A scenario is a function in `SCENARIOS`.

A full `dvc repro` is measured only for projects of up to `--full-repro` stages, because its time
grows quadratically with the number of stages.
"""

import argparse
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZES = (60, 300, 1000)
CHAIN = 6
"""Stages per chain of the DAG; the last chain may be shorter."""
STALE = 5
PR_SET_CHILD_SUBREAPER = 36
EXECUTED = "executed.log"


@dataclass(frozen=True)
class Stage:
    """A generated stage, which writes one file from its input files and one param."""

    name: str
    inputs: tuple[str, ...]

    @property
    def output(self) -> str:
        """The file that the stage writes."""
        return f"out/{self.name}.txt"

    @property
    def command(self) -> str:
        """A shell command that copies the inputs, appends the param, and logs its execution."""
        return (
            f"{{ cat {' '.join(self.inputs)}; grep '^{self.name}:' own.yaml; }} > {self.output}"
            f" && echo {self.name} >> {EXECUTED}"
        )


def dag(size: int) -> list[Stage]:
    """Chains of six stages: fetch → clean → split → (train, base) → score."""
    stages = []
    for number in range(-(-size // CHAIN)):
        fetch, clean, split, train, base, score = (
            f"{name}{number}" for name in ("fetch", "clean", "split", "train", "base", "score")
        )
        stages += [
            Stage(fetch, ("source.txt",)),
            Stage(clean, (f"out/{fetch}.txt",)),
            Stage(split, (f"out/{clean}.txt",)),
            Stage(train, (f"out/{split}.txt",)),
            Stage(base, (f"out/{split}.txt",)),
            Stage(score, (f"out/{train}.txt", f"out/{base}.txt")),
        ]
    return stages[:size]


@dataclass
class Project:
    """A generated project in its own folder, with its own cache."""

    path: Path
    stages: list[Stage]
    env: dict[str, str] = field(default_factory=dict)

    def params(self, changed: int = 0, stages: list[Stage] | None = None) -> None:
        """Write own.yaml: the params of `stages` are `1 + changed`; every other param is 1."""
        new = {stage.name for stage in stages or ()}
        lines = [f"{s.name}: {1 + changed * (s.name in new)}\n" for s in self.stages]
        (self.path / "own.yaml").write_text("".join(lines))

    def ends(self) -> list[Stage]:
        """Stages whose output no other stage reads."""
        read = {path for stage in self.stages for path in stage.inputs}
        return [stage for stage in self.stages if stage.output not in read]

    def measure(self, *command: str) -> tuple[float, int]:
        """CPU seconds of a command and its descendants, and the number of executed stages."""
        log = self.path / EXECUTED
        log.unlink(missing_ok=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.run(
            command, cwd=self.path, env=self.env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {process.returncode}\n{process.stdout}")
        while True:  # wait for servers that outlive the command, now children of this process
            try:
                os.wait()
            except ChildProcessError:
                break
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return spent, len(log.read_text().splitlines()) if log.exists() else 0


def make(folder: Path, size: int, tandem: Path) -> Project:
    """A project of `size` stages that uses the Snakefile of the checkout in the folder `tandem`."""
    project = Project(folder, dag(size))
    (folder / "out").mkdir(parents=True)
    (folder / "source.txt").write_text("a row\n")
    (folder / ".dvcignore").write_text(".snakemake\n.snakemake_timestamp\n")
    runtime = {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"}
    content = {"runtime": runtime, "tasks": [], "methods": [], "preferences": {}}
    (folder / "params.yaml").write_text(json.dumps(content))  # JSON is YAML
    stages = {
        stage.name: {
            "desc": f"Make {stage.output}",
            "cmd": stage.command,
            "deps": [*stage.inputs],
            "params": [{"own.yaml": [stage.name]}],
            "outs": [stage.output],
            "meta": {"threads": 1, "mem_mb": 10, "gpu": 0},
        }
        for stage in project.stages
    }
    (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}, indent=1))
    project.params()
    shutil.copy(tandem / "Snakefile", folder)
    for name in ("workflow", "profiles"):
        shutil.copytree(tandem / name, folder / name)
    (folder / "plain.smk").write_text(by_hand(project.stages))
    project.env = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(tandem / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(folder / ".dvc" / "site"),
    }
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=folder, env=project.env, check=True)
    return project


def by_hand(stages: list[Stage]) -> str:
    """A plain Snakefile for `stages`, as if written by hand, with one rule per stage."""
    ends = {stage.output for stage in stages} - {p for stage in stages for p in stage.inputs}
    rules = [f"rule all:\n    input: {sorted(ends)}\n"]
    for stage in stages:
        command = stage.command.replace("{", "{{").replace("}", "}}")
        rules.append(
            textwrap.dedent(f"""
            rule {stage.name}:
                input: {[*stage.inputs]}
                output: {stage.output!r}
                params: value=OWN[{stage.name!r}]
                shell: {command!r}
            """)
        )
    read = "import yaml\nOWN = yaml.safe_load(open('own.yaml'))\n"
    return read + "".join(rules)


REPRO = ("dvc", "repro", "--quiet")
SNAKEMAKE = ("snakemake", "--quiet", "all", "-c2")
PLAIN = ("snakemake", "--quiet", "all", "-c2", "--snakefile", "plain.smk", "--directory")

COMMANDS = {"snakemake": SNAKEMAKE, "dvc repro": REPRO, "plain": PLAIN}


@dataclass
class Engine:
    """An engine with its own copy of the project."""

    name: str
    command: tuple[str, ...]
    project: Project

    def run(self, *more: str) -> tuple[float, int]:
        """Run the engine; return CPU seconds and the number of executed stages.

        Args:
            more: Additional arguments of the engine's command.
        """
        return self.project.measure(*self.command, *more)


Measured = tuple[float, int] | None


def all_stages(engine: Engine) -> Measured:
    """Scenario: no stage has been run before."""
    return engine.run()


def nothing(engine: Engine) -> Measured:
    """Scenario: all stages are up to date."""
    return engine.run()


def dry(engine: Engine) -> Measured:
    """Scenario: `snakemake -n` or `dvc repro --dry` is run, and all stages are up to date."""
    return engine.run("--dry" if engine.command[0] == "dvc" else "-n")


def few(engine: Engine) -> Measured:
    """Scenario: five stages without dependents are stale."""
    engine.project.params(1, engine.project.ends()[:STALE])
    return engine.run()


def one(engine: Engine) -> Measured:
    """Scenario: only one of the stale stages is requested."""
    stage = engine.project.ends()[STALE]
    engine.project.params(2, [*engine.project.ends()[: STALE + 1]])
    dvc = engine.command[0] == "dvc"
    return engine.run(*(["--single-item", stage.name] if dvc else [stage.output]))


SCENARIOS: list[tuple[str, Callable[[Engine], Measured]]] = [
    ("all stages", all_stages),
    ("nothing to do", nothing),
    ("dry run", dry),
    ("five stale stages", few),
    ("one stage alone", one),
]
"""The name and the function of each scenario, in the order in which they run in one project."""


@dataclass
class Row:
    """The cost of one scenario under one engine."""

    stages: int
    scenario: str
    engine: str
    cpu_seconds: float
    executed: int


def run(sizes: list[int], engines: list[str], full_repro: int, tandem: Path) -> list[Row]:
    """Run all scenarios in temporary projects; return one row per measurement."""
    rows = []
    for size in sizes:
        for name in engines:
            command = COMMANDS[name]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "project"
                project = make(path, size, tandem)
                full_command = (*command, str(path)) if name == "plain" else command
                engine = Engine(name, full_command, project)
                for scenario, function in SCENARIOS:
                    if function is all_stages and name == "dvc repro" and size > full_repro:
                        # Snakemake writes the same outputs as `dvc repro` in less time
                        project.measure(*SNAKEMAKE)
                        continue
                    measured = function(engine)
                    if measured:
                        row = Row(size, scenario, name, round(measured[0], 2), measured[1])
                        print(row, file=sys.stderr, flush=True)
                        rows.append(row)
    return rows


def table(rows: list[Row]) -> str:
    """A table of CPU seconds (and executed stages) and the ratio of `snakemake` to `dvc repro`."""
    engines = list(dict.fromkeys(row.engine for row in rows))
    by_key = {(row.stages, row.scenario, row.engine): row for row in rows}
    lines = [f"{'stages':>6}  {'scenario':18}" + "".join(f"{name:>16}" for name in engines)]
    lines[0] += f"{'to dvc repro':>14}"
    for size in dict.fromkeys(row.stages for row in rows):
        for scenario in dict.fromkeys(row.scenario for row in rows):
            cells = [by_key.get((size, scenario, engine)) for engine in engines]
            shown = "".join(
                f"{f'{cell.cpu_seconds:.2f} ({cell.executed})' if cell else '-':>16}"
                for cell in cells
            )
            tandem, dvc = (by_key.get((size, scenario, e)) for e in ("snakemake", "dvc repro"))
            ratio = f"{tandem.cpu_seconds / dvc.cpu_seconds:.2f}" if tandem and dvc else ""
            lines.append(f"{size:6}  {scenario:18}{shown}{ratio:>14}")
    return "\n".join(lines)


def job_seconds(rows: list[Row], size: int, engine: str) -> float | None:
    """CPU seconds per job in a project of `size` stages; None if a scenario was not measured.

    The time of a run with nothing to do is subtracted from the time of a run of all stages, and the
    difference is divided by `size`.
    """
    cost = {r.scenario: r.cpu_seconds for r in rows if (r.stages, r.engine) == (size, engine)}
    if not {"all stages", "nothing to do"} <= cost.keys():
        return None
    return (cost["all stages"] - cost["nothing to do"]) / size


def main() -> None:
    """Run the benchmark; print a table of the results and, with `--json`, write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[*SIZES])
    parser.add_argument("--engines", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    parser.add_argument("--full-repro", type=int, default=60, help="largest full run of dvc repro")
    parser.add_argument("--tandem", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # count orphaned processes, too
    rows = run(options.sizes, options.engines, options.full_repro, options.tandem.resolve())
    print(table(rows))
    for size, engine in product(options.sizes, options.engines):
        seconds = job_seconds(rows, size, engine)
        if seconds is not None:
            print(f"{engine}: one job of {size} stages costs {seconds:.3f} CPU seconds")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
