"""After an edit, both engines name the same stages; after either runs, neither has work to do.

The commands of the stages are replaced (see standin.py); the DAG, DVC and Snakemake are real.
`test_smoke.py` runs the real commands.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # each runs both engines
Edges = set[tuple[str, str]]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone in which Snakemake has run everything once."""
    workspace = clone(tmp_path_factory.mktemp("edits"), standin=True)
    workspace.snakemake("-c2")
    yield workspace


@pytest.fixture(scope="module")
def edges(done: Workspace) -> Edges:
    """Pairs of a stage and a stage that depends on it, from `dvc dag`."""
    dot = done.run("dvc", "dag", "--dot").stdout
    pairs = (line.split('"')[1::2] for line in dot.splitlines() if "->" in line)
    return {(a, b) for a, b in pairs}


def append(name: str) -> Callable[[Path], None]:
    """An edit that appends a statement without effect to a file."""

    def edit(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write("\n_EDITED = 1\n")

    return edit


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    """An edit that replaces the first `old` in a file."""

    def edit(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return edit


def remove(name: str) -> Callable[[Path], None]:
    """An edit that removes an output."""

    def edit(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return edit


def with_snakemake(workspace: Workspace) -> None:
    """Bring everything up to date with Snakemake; then neither engine has anything to do."""
    workspace.snakemake("-c2")
    copy = workspace.path / ".snakemake/tandem/dvc.lock"
    assert copy.read_text() == (workspace.path / "dvc.lock").read_text()
    nothing_to_do(workspace)


def with_dvc(workspace: Workspace, plain: bool = False) -> None:
    """Bring everything up to date with DVC; then neither engine has anything to do."""
    workspace.repro(plain=plain)
    nothing_to_do(workspace)


def nothing_to_do(workspace: Workspace) -> None:
    assert workspace.planned() == set()
    assert workspace.changed() == set()


def with_plain_dvc(workspace: Workspace) -> None:
    with_dvc(workspace, plain=True)


# The edit, a stage that it makes stale, the tasks that it does not affect, and the engine that then
# runs. The engines take turns; DVC runs after the edit of a shared file, because Snakemake has run
# everything before.
EDITS = {
    "param of one task": (
        replace("params.yaml", "max_ratio: 3.0", "max_ratio: 2.9"),
        "clean@translation",
        ("sentiment", "intent", "generation"),
        with_snakemake,
    ),
    "file of one task": (
        append("src/tandem/tasks/intent.py"),
        "fetch@intent",
        ("sentiment", "translation", "generation"),
        with_dvc,
    ),
    "shared source file": (append("src/tandem/core/io.py"), "fetch@intent", (), with_dvc),
    "file of one method": (
        append("src/tandem/compression/int8.py"),
        "compress@intent-int8",
        (),
        with_dvc,
    ),
    "output removed": (
        remove("data/clean/translation"),
        "clean@translation",
        ("sentiment", "intent", "generation"),
        with_snakemake,
    ),
    "metric removed": (
        remove("reports/details/split/intent.json"),
        "split@intent",
        ("sentiment", "translation", "generation"),
        with_plain_dvc,
    ),
    "output changed": (
        replace("models/sentiment/base/content.json", "digest", "damage"),
        "train@sentiment",
        ("translation", "intent"),
        with_snakemake,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_engines_agree_after(name: str, done: Workspace, edges: Edges) -> None:
    edit, expected, unaffected, run_engine = EDITS[name]
    edit(done.path)
    planned = done.planned()
    assert expected in planned
    assert planned == below(edges, done.changed())
    for task in unaffected:
        assert not {stage for stage in planned if f"@{task}" in stage}
    run_engine(done)


def test_dry_repro_names_the_same_stages(done: Workspace, edges: Edges) -> None:
    append("src/tandem/tasks/translation.py")(done.path)
    done.repro("code")  # only after this stage does DVC know which code has changed
    lines = done.run("dvc", "repro", "--dry").stdout.splitlines()
    stages = {line.split("'")[1] for line in lines if line.startswith("Running stage")}
    assert stages and stages <= done.planned() == below(edges, stages)
    with_dvc(done)


def test_new_modification_times_start_nothing(done: Workspace) -> None:
    for path in done.path.rglob("*"):
        if ".git" not in path.parts and path.is_file():
            os.utime(path)
    assert done.planned() == set()
    assert done.changed() == set()


IN_GIT = (
    "dvc.lock",
    "params.yaml",
    "src",
    "reports/lineage",
    "reports/details",
    "reports/metrics",
    "reports/summary.json",
)


def test_nothing_to_do_after_pull_in_a_fresh_clone(done: Workspace, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    done.run("dvc", "remote", "add", "--default", "--local", "--force", "here", str(remote))
    done.run("dvc", "push", "--quiet")
    fresh = clone(tmp_path / "clone", standin=True)
    for name in IN_GIT:
        fetch(done.path / name, fresh.path / name)
    fresh.run("dvc", "remote", "add", "--default", "--local", "--force", "here", str(remote))
    fresh.run("dvc", "pull", "--quiet")
    assert fresh.planned() == set()
    assert fresh.changed() == set()


def fetch(old: Path, new: Path) -> None:
    """Copy from one clone to another what Git would transfer."""
    if old.is_dir():
        shutil.copytree(old, new, dirs_exist_ok=True)
    else:
        shutil.copyfile(old, new)


def test_both_engines_draw_the_same_graph(done: Workspace, edges: Edges) -> None:
    rules = done.snakemake("--rulegraph", "dot").stdout
    names = {}
    arrows = set()
    for line in rules.splitlines():
        words = line.strip().split()
        if "[label" in line:
            names[words[0].split("[")[0]] = line.split('"')[1]
        elif "->" in line:
            arrows.add((words[0], words[2].rstrip(";")))
    drawn = {(names[a], names[b]) for a, b in arrows if names[b] != "all"}
    assert drawn == edges
    assert len(drawn) > 50


def test_lint_is_clean(done: Workspace) -> None:
    assert "Congratulations" in done.snakemake("--lint").stderr


def test_a_dvc_lock_lost_in_a_crash_is_restored(done: Workspace) -> None:
    (done.path / "dvc.lock").write_text("")
    assert done.planned() == set()


def test_file_targets(done: Workspace) -> None:
    remove("models/sentiment/int8")(done.path)
    targets = "models/sentiment/int8", "reports/details/clean/intent.json"
    output = done.snakemake("-c1", *targets).stderr
    assert "compress@sentiment-int8" in output and "clean@intent" not in output
    assert (done.path / "models/sentiment/int8").is_dir()


def below(edges: Edges, changed: set[str]) -> set[str]:
    """The stages `changed` and all stages that depend on them."""
    stages = set(changed)
    while dependents := {b for a, b in edges if a in stages} - stages:
        stages |= dependents
    return stages
