"""A project whose stages are shell commands, and branches on which its stages have been run."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from engines.made_up import executed, make, stage
from engines.workspace import ROOT, Workspace
from ruamel.yaml import YAML

TASKS = ("a", "b", "c", "d")
LINES = [f"line {number}" for number in range(20)]
"""The lines of an input file. Each branch edits a different line, so Git can merge the edits."""
EDITED = {"ours": 2, "theirs": 17}
RECORD = (
    "mkdir -p reports/lineage/$(dirname {name}) && "
    'printf \'[\\n "%s",\\n "-"\\n]\\n\' $(cat {deps} | md5sum | cut -c-32) > '
    "reports/lineage/{name}.json"
)


def _recorded(command: str, name: str, deps: list[str], outs: list[str]) -> dict[str, object]:
    """A stage that also writes a record, which depends on the content of all `deps`."""
    files = " ".join(f"$(find {dep} -type f | sort)" for dep in deps)
    record = RECORD.format(name=name, deps=files)
    entry = stage(f"{command} && {record}", deps, outs)
    return entry | {"plots": [{f"reports/lineage/{name}.json": {"cache": False}}]}


def _of_tasks(entry: dict[str, object]) -> dict[str, object]:
    """A stage for each task; `${item}` is the name of the task."""
    return {"foreach": "${names}", "do": entry}


SCORE = (
    'printf \'{\\n "score": %s,\\n "kind": "base"\\n}\\n\' '
    "$(md5sum < models/${item}/w | tr a-f 1-6 | tr 0 7 | cut -c-8)"
)
STAGES: dict[str, object] = {
    "train": _of_tasks(
        _recorded(
            "mkdir -p models/${item} && sort -r in/${item}.txt > models/${item}/w",
            "train/${item}", ["in/${item}.txt"], ["models/${item}"],
        )
    ),
    "evaluate": _of_tasks(
        _recorded(
            f"mkdir -p reports/metrics/${{item}} && {SCORE} > reports/metrics/${{item}}/base.json",
            "evaluate/${item}", ["models/${item}"], [],
        )
        | {"metrics": [{"reports/metrics/${item}/base.json": {"cache": False}}]}
    ),
    "report": stage(
        "mkdir -p reports/html && cat reports/metrics/*/*.json > reports/html/index.html && "
        "cat reports/metrics/*/*.json > reports/summary.json",
        ["reports/metrics"], ["reports/html/index.html"],
    )
    | {"plots": [{"reports/summary.json": {"cache": False}}]},
}  # fmt: skip


def create(path: Path) -> Workspace:
    """Run and commit the project on the branch `main`; no merge drivers are set up."""
    (path / "in").mkdir(parents=True)
    inputs = {f"in/{task}.txt": "\n".join([f"task {task}", *LINES, ""]) for task in TASKS}
    project = make(path, STAGES, **inputs, **{"own.yaml": '{"names": ["a", "b", "c", "d"]}'})
    add_vars(project)
    attributes = (ROOT / ".gitattributes").read_text()
    (path / ".gitattributes").write_text(attributes)
    (path / ".git/info/exclude").write_text("executed.log\n.snakemake/\n.dvc/site/\n")
    project.run("git", "config", "user.name", "test")
    project.run("git", "config", "user.email", "test@example.org")
    project.repro()
    executed(project)
    commit(project, "Run")
    project.run("git", "branch", "-M", "main")
    return project


def add_vars(project: Workspace) -> None:
    """Make dvc.yaml read the tasks from own.yaml."""
    dag = project.path / "dvc.yaml"
    content = YAML(typ="safe").load(dag.read_text())
    with dag.open("w") as file:
        YAML().dump({"vars": ["own.yaml"]} | content, file)


def commit(project: Workspace, message: str) -> None:
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--allow-empty", "--message", message)


def edit(project: Workspace, tasks: Iterable[str], side: str) -> None:
    """Edit the input file of each of `tasks`, in the line reserved for the branch `side`."""
    for task in tasks:
        path = project.path / f"in/{task}.txt"
        lines = path.read_text().splitlines()
        lines[EDITED[side]] = f"{side} {task}"
        path.write_text("\n".join([*lines, ""]))


def branch(project: Workspace, name: str, tasks: Iterable[str], start: str = "main") -> None:
    """Create a branch on which the inputs of these tasks are changed and all stages are run."""
    project.run("git", "checkout", "--quiet", "-B", name, start)
    edit(project, tasks, name)
    project.repro()
    commit(project, f"Run {name}")
    executed(project)


def git(project: Workspace, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return project.run("git", *command, check=check)
