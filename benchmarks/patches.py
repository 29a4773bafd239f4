"""Measure the time that each patch of DVC in `tandem.patches.dvc` saves.

    python benchmarks/patches.py                 # a generated project of 300 stages
    python benchmarks/patches.py --size 1000 --without compare_ignored_paths

In each measurement, two stale stages run either in one `dvc repro`, or in two concurrent
`dvc --wait-for-lock repro --single-item` commands, as in Snakemake jobs without a stage server. The
script measures CPU seconds and, for the two concurrent commands, also elapsed time. Times
are measured with all patches, with each patch left out in turn, and without any patch. Each value
is the minimum of three runs.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import engines

from tandem.patches import dvc

PROGRAM = """
import sys
from tandem.patches import dvc
left_out = sys.argv.pop(1).split(",")
dvc.PATCHES = tuple(p for p in dvc.PATCHES if p.__name__ not in left_out)
sys.exit(dvc.main())
"""
RUNS = 3


def measure(
    project: engines.Project, value: int, left_out: list[str], *commands: list[str]
) -> tuple[float, float]:
    """CPU seconds and elapsed seconds of concurrent commands.

    Args:
        project: The project in which the commands run.
        value: A new value for the params of the two stale stages.
        left_out: Names of patches that are not applied.
        commands: Arguments of `dvc`, one list per command.
    """
    project.params(value, project.ends()[:2])
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    patched = [sys.executable, "-c", PROGRAM, ",".join(left_out) or "none"]
    jobs = [
        subprocess.Popen([*patched, *command], cwd=project.path, env=project.env)
        for command in commands
    ]
    codes = [job.wait() for job in jobs]
    if any(codes):
        raise SystemExit("dvc failed")
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, end - start


def main() -> None:
    """Print a line with the costs for each setting: all patches, all but one, or no patch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=300, help="stages of the project")
    names = [patch.__name__ for patch in dvc.PATCHES]
    parser.add_argument("--without", nargs="+", choices=names, help="patches to test; default: all")
    options = parser.parse_args()
    settings = {"all patches": []} | {f"without {n}": [n] for n in options.without or names}
    settings |= {} if options.without else {"no patch": names}
    values = count(2)
    with tempfile.TemporaryDirectory() as folder:
        project = engines.make(Path(folder) / "project", options.size, engines.ROOT)
        project.measure(*engines.SNAKEMAKE)
        single = ["--wait-for-lock", "repro", "--quiet", "--single-item"]
        jobs = [[*single, stage.name] for stage in project.ends()[:2]]
        print(f"{'':28}{'dvc repro':>12}{'two jobs':>12}{'elapsed':>12}")
        for setting, left_out in settings.items():
            whole = min(
                measure(project, next(values), left_out, ["repro", "--quiet"])[0]
                for _ in range(RUNS)
            )
            runs = [measure(project, next(values), left_out, *jobs) for _ in range(RUNS)]
            spent, elapsed = (min(column) for column in zip(*runs, strict=True))
            print(f"{setting:28}{whole:12.2f}{spent:12.2f}{elapsed:12.2f}", flush=True)


if __name__ == "__main__":
    main()
