"""Two people change different tasks of the default pipeline; its stages are run by standin.py."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from sharing.merge.branches import commit, git

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Workspace]:
    """A clone with two branches; on each, one task was changed and the pipeline was run.

    The branch `theirs` changes the task `intent`; `ours` changes the task `sentiment`.
    """
    project = clone(tmp_path / "project", standin=True)
    git(project, "config", "user.name", "test")
    git(project, "config", "user.email", "test@example.org")
    (project.path / ".git/info/exclude").write_text("/.dvc/site/\n/.dvc/tmp/\n")
    project.repro()
    commit(project, "Run")
    git(project, "branch", "-M", "main")
    for side, task in (("theirs", "intent"), ("ours", "sentiment")):
        git(project, "checkout", "-q", "-b", side, "main")
        set_learning_rate(project, task)
        project.repro()
        commit(project, f"Train {task} at another rate")
    project.run(sys.executable, "-m", "tandem", "setup-git")
    executed(project)
    yield project


def set_learning_rate(project: Workspace, task: str) -> None:
    """Change the learning rate of a task, and nothing else."""
    path = project.path / "params.yaml"
    before, title, section = path.read_text().partition(f"\n{task}:\n")
    head, key, tail = section.partition("    learning_rate: ")
    path.write_text(before + title + head + key + "0.00123" + tail[tail.index("\n") :])


def executed(project: Workspace) -> list[str]:
    """The stages that were executed since the last call, sorted."""
    log = project.path / ".dvc/tmp/executed.log"
    names = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(names)


@pytest.mark.parametrize("engine", ["dvc repro", "snakemake"])
def test_only_the_report_and_the_digests_of_code_are_executed(
    project: Workspace, engine: str
) -> None:
    done = git(project, "merge", "--no-edit", "theirs")
    said = "6 entries from their side; stale stages, changed on both sides: code, report"
    assert said in done.stderr
    project.snakemake("-c2") if engine == "snakemake" else project.repro()
    assert executed(project) == ["code", "report"]
    assert project.changed() == set() and project.planned() == set()
