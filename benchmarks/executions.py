"""Count the stages that each engine executes after a change.

    python benchmarks/executions.py                 all scenarios on the smoke DAG, both engines
    python benchmarks/executions.py --json FILE     also write the counts to FILE as JSON

A stage counts as executed if its command runs, and not if the engine skips the stage or restores
its outputs from DVC's run cache. Commands are counted in the run log (`tandem.engines.cost`); CPU
seconds are summed over all processes of the engine. Comparing outputs would not reveal a stage that
was executed needlessly.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from tandem.core import params_file
from tandem.engines import cost

ROOT = Path(__file__).parents[1]
ENGINES = {
    "dvc repro": ["dvc", "repro", "--quiet"],
    "snakemake -c2": ["snakemake", "--cores", "2", "--quiet", "all"],
}
STEPS = 2
"""Training steps of the intent model in the smoke run."""
FILTER = '''"""A filter that keeps all rows."""

from tandem.text.filters import FilterParams


class Params(FilterParams):
    """No settings."""


def drop_reasons(rows, task, params):
    yield from (None for _ in rows)
'''
"""A filter that is not part of the repository; edits to its code do not change any results."""


@dataclass
class Project:
    """A clone of the project, and the environment in which its commands run."""

    path: Path
    env: dict[str, str]

    def run(self, *command: str) -> str:
        """The output of a command.

        Raises:
            RuntimeError: the command fails.
        """
        process = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False
        )
        if process.returncode:
            raise RuntimeError(
                f"{' '.join(command)}: {process.returncode}\n{process.stdout}{process.stderr}"
            )
        return process.stdout

    def executed(self, *engine: str) -> list[str]:
        """The stages that a run of an engine executes, sorted."""
        before = len(cost.runs(self.path))
        self.run(*engine)
        return sorted(run["stage"] for run in cost.runs(self.path)[before:])

    def commit(self, message: str) -> None:
        """Commit all changes."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def set_param(self, *keys: str, value: object) -> None:
        """Change one value of params.yaml."""
        nested: dict[str, object] = {keys[-1]: value}
        for key in reversed(keys[:-1]):
            nested = {key: nested}
        path = self.path / "params.yaml"
        yaml = YAML()
        content = yaml.load(path)
        params_file.deep_merge(nested, content)
        yaml.dump(content, path)


def clone(source: Path, target: Path) -> Project:
    """A clone of the current commit, with an empty cache, that uses the commands of this venv."""
    subprocess.run(["git", "clone", "--quiet", str(source), str(target)], check=True)
    return configured(target)


def configured(path: Path) -> Project:
    """The project in the repository `path`, with a Git user configured."""
    env = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(path / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(path / ".dvc" / "site"),
    }
    project = Project(path, env)
    for key, value in (("user.name", "benchmark"), ("user.email", "benchmark@example.org")):
        project.run("git", "config", key, value)
    return project


def write_filter(root: Path, kind: str, end: str = "") -> str:
    """Write the source file of a filter that is added to the project.

    Args:
        root: The project's folder.
        kind: The filter's name in params.yaml.
        end: Statements at the end of the file.

    Returns:
        The path of the file, relative to `root`.
    """
    path = f"src/tandem/text/filters/{kind}.py"
    (root / path).write_text(FILTER + end, encoding="utf-8")
    return path


def shrink(project: Project) -> None:
    """Add a filter and the params of the smoke run to a clone.

    `set_param` also reformats params.yaml, so that changing a param and setting it back later
    restores the same bytes of the file.
    """
    project.run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    project.set_param("intent", "train", "max_steps", value=STEPS)
    write_filter(project.path, "added")
    params = YAML().load(project.path / "params.yaml")
    for task in params["tasks"]:
        filters = [*params[task]["clean"]["filters"], {"kind": "added"}]
        project.set_param(task, "clean", "filters", value=filters)
    (project.path / "dvc.lock").unlink(missing_ok=True)
    project.commit("smoke params")


Change = Callable[[Project], Project]
"""A function that changes a project and returns the project in which the engine then runs."""


def changes(scratch: Path) -> Iterator[tuple[str, Change]]:
    """Changes to a project, in the order in which they are made."""
    yield "a first run", lambda project: project
    yield "nothing", lambda project: project
    yield "a comment in a filter", edit("# A comment.\n")
    yield "a comment in params", comment_params
    yield "a statement in a filter", edit("_UNUSED = 1\n")
    yield "a param", steps(STEPS + 1)
    yield "the param back", steps(STEPS)
    yield "another branch", branch
    yield "the first branch again", checkout("-")
    yield "the other branch again", checkout("-")
    yield "outputs deleted", delete
    yield "a fresh clone, pulled", lambda project: pulled(project, scratch)


def edit(end: str) -> Change:
    """Put the lines `end` at the end of the added filter's file."""

    def change(project: Project) -> Project:
        write_filter(project.path, "added", end)
        return project

    return change


def comment_params(project: Project) -> Project:
    """Add a comment to params.yaml."""
    yaml = YAML()
    content = yaml.load(project.path / "params.yaml")
    content.yaml_set_start_comment("A comment.")
    yaml.dump(content, project.path / "params.yaml")
    return project


def steps(count: int) -> Change:
    """Set the number of training steps of the intent model to `count`."""

    def change(project: Project) -> Project:
        project.set_param("intent", "train", "max_steps", value=count)
        return project

    return change


def branch(project: Project) -> Project:
    """Commit, and change a param on a new branch."""
    project.commit("before")
    project.run("git", "checkout", "--quiet", "-b", "other")
    project.set_param("intent", "train", "learning_rate", value=0.0001)
    return project


def checkout(name: str) -> Change:
    """Commit, and check out another branch."""

    def change(project: Project) -> Project:
        project.commit("a branch")
        project.run("git", "checkout", "--quiet", name)
        return project

    return change


def delete(project: Project) -> Project:
    """Remove cleaned rows, a model and a detail file."""
    shutil.rmtree(project.path / "data/clean/sentiment")
    shutil.rmtree(project.path / "models/intent/base")
    (project.path / "reports/details/split/intent.json").unlink()
    return project


def pulled(project: Project, scratch: Path) -> Project:
    """Push everything to a remote, and pull it into a fresh clone."""
    project.run("dvc", "remote", "add", "--force", "--default", "store", str(scratch / "store"))
    project.commit("a remote")
    project.run("dvc", "push", "--quiet", "--run-cache")
    fresh = clone(project.path, scratch / "fresh")
    fresh.run("dvc", "pull", "--quiet", "--run-cache")
    return fresh


def count(project: Project, engine: str, scratch: Path) -> dict[str, tuple[list[str], float]]:
    """Change → executed stages and CPU seconds of the engine; the cache is empty at the start."""
    results = {}
    for title, change in changes(scratch):
        project = change(project)
        before = _children_cpu()
        executed = project.executed(*ENGINES[engine])
        results[title] = (executed, _children_cpu() - before)
    return results


def _children_cpu() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run all scenarios under both engines; print the counts and optionally write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    options = parser.parse_args()
    table: dict[str, dict[str, tuple[list[str], float]]] = {}
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            project = clone(ROOT, Path(folder) / "project")
            shrink(project)
            table[engine] = count(project, engine, Path(folder))
    print(f"{'change':28}" + "".join(f"{engine + ': stages, CPU s':>30}" for engine in ENGINES))
    for title in table["dvc repro"]:
        cells = (table[engine][title] for engine in ENGINES)
        print(f"{title:28}" + "".join(f"{len(stages):21}, {cpu:6.1f}" for stages, cpu in cells))
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
