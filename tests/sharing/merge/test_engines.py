"""After a merge, the engines execute only stages whose inputs differ from those of both sides.

Each of four tasks is in one of four states: changed on neither side, on ours, on theirs or on
both. `make test-merges` tries all 16 combinations of states for each pair of tasks. The slow tests
try each task in each state once.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from engines.made_up import executed
from engines.workspace import Workspace
from sharing.merge.branches import TASKS, branch, commit, create, git

STATES = ("none", "ours", "theirs", "both")
LATIN = [{task: STATES[(i + k) % 4] for k, task in enumerate(TASKS)} for i in range(4)]
"""Each task is in each state once, and each merge includes all states."""
TIMES_TWO = (0, 2, 3, 1)
"""Multiplication by the element 2 in the finite field GF(4), in which `^` is addition."""
ORTHOGONAL = [
    {task: STATES[k] for task, k in zip(TASKS, (a, b, a ^ b, a ^ TIMES_TWO[b]), strict=True)}
    for a in range(4)
    for b in range(4)
]
"""Each pair of tasks is in each of the 16 combinations of two states once."""


def merge(project: Workspace) -> None:
    git(project, "checkout", "-q", "ours")
    git(project, "merge", "--no-edit", "theirs")


def rebase(project: Workspace) -> None:
    git(project, "checkout", "-q", "theirs")
    git(project, "rebase", "-q", "ours")


def cherry_pick(project: Workspace) -> None:
    git(project, "checkout", "-q", "ours")
    git(project, "cherry-pick", "--allow-empty", "theirs")


def merge_lock(project: Workspace) -> None:
    """Merge without the drivers, and resolve the conflicts with `tandem merge-lock`."""
    git(project, "checkout", "-q", "ours")
    git(project, "config", "--remove-section", "merge.tandem-lock")
    git(project, "config", "--remove-section", "merge.tandem-output")
    git(project, "merge", "--no-edit", "theirs", check=False)
    project.run("tandem", "merge-lock")
    assert not git(project, "diff", "--name-only", "--diff-filter=U").stdout


WAYS = (merge, rebase, cherry_pick, merge_lock)
ENGINES: dict[str, Callable[[Workspace], object]] = {
    "dvc repro": lambda project: project.repro(),
    "snakemake": lambda project: project.snakemake("-c2"),
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The project of four tasks, on the branch `main`."""
    return create(tmp_path_factory.mktemp("merge") / "start")


@pytest.fixture
def project(start: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of `start` with the merge drivers set up."""
    yield copy(start, tmp_path / "project")


def copy(project: Workspace, path: Path) -> Workspace:
    shutil.copytree(project.path, path, symlinks=True)
    old = str(project.path)
    copied = Workspace(path, {k: v.replace(old, str(path)) for k, v in project.env.items()})
    copied.run("tandem", "setup-git")
    return copied


def make_branches(project: Workspace, state: Mapping[str, str]) -> None:
    """For each side, create a branch on which its tasks are changed and all stages are run."""
    for side in ("theirs", "ours"):
        branch(project, side, [task for task in TASKS if state[task] in (side, "both")])


def invalidated(state: Mapping[str, str]) -> list[str]:
    """The stages that have to be executed, because their inputs differ from those of both sides."""
    both = [task for task in TASKS if state[task] == "both"]
    sides = {*state.values()}
    report = ["report"] if "both" in sides or {"ours", "theirs"} <= sides else []
    return sorted([*report, *(f"{name}@{task}" for name in ("train", "evaluate") for task in both)])


def check(
    project: Workspace, state: Mapping[str, str], way: Callable[..., None], engine: str
) -> None:
    """Merge and run: only the invalidated stages are executed, and then nothing is left to do."""
    way(project)
    ENGINES[engine](project)
    assert executed(project) == invalidated(state)
    assert project.changed() == set()
    assert project.planned() == set()
    for task in TASKS:
        model = (project.path / f"models/{task}/w").read_text()
        for side in ("ours", "theirs"):
            assert (f"{side} {task}\n" in model) == (state[task] in (side, "both"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_each_task_in_each_state(project: Workspace, number: int) -> None:
    make_branches(project, LATIN[number])
    check(project, LATIN[number], WAYS[number], [*ENGINES][number % 2])


@pytest.mark.long
@pytest.mark.parametrize("number", range(16))
def test_all_pairs_of_tasks_in_all_states(start: Workspace, number: int, tmp_path: Path) -> None:
    project = copy(start, tmp_path / "branches")
    make_branches(project, ORTHOGONAL[number])
    locks = set()
    for way in WAYS:
        for engine in ENGINES:
            tried = copy(project, tmp_path / f"{way.__name__}-{engine[:3]}")
            check(tried, ORTHOGONAL[number], way, engine)
            locks.add(tried.lock())
    assert len(locks) == 1  # `lock` ignores the order of the stages


@pytest.mark.slow
def test_a_teammate_pulls_merges_and_executes_what_both_changed(
    start: Workspace, tmp_path: Path
) -> None:
    """Each side runs in its own clone; the outputs are transferred through a shared DVC remote."""
    (tmp_path / "store").mkdir()
    project = copy(start, tmp_path / "project")
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    commit(project, "A remote")
    other = copy(project, tmp_path / "other")
    branch(project, "ours", "ac")
    branch(other, "theirs", "bc")
    other.run("dvc", "push", "--quiet", "--run-cache")
    git(project, "fetch", "-q", str(other.path), "theirs:theirs")
    git(project, "merge", "--no-edit", "theirs")
    project.run("dvc", "pull", "--quiet", "--run-cache")
    assert project.changed() == {"train@c", "evaluate@c", "report"}
    status = project.run("tandem", "status", check=False).stdout.splitlines()
    assert status[0] == "stale: 3 stages" and status[4] == "fresh: 6 stages"
    assert status[1].split(maxsplit=1) == [
        "train@c", "dvc.lock has an entry without inputs: two branches changed it"
    ]  # fmt: skip
    project.snakemake("-c2")
    assert executed(project) == ["evaluate@c", "report", "train@c"]
    assert project.changed() == set()
