"""After an edit, both engines plan the same stages; after a run of either one, no stage is stale.

The stages are run by standin.py, not by Tandem; the DAG, DVC and Snakemake are real.
`test_smoke.py` runs the real commands.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone, script

from tandem.core import io

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # each test runs both engines
Edges = set[tuple[str, str]]
executions = script("executions")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A clone with an additional filter, in which Snakemake has run all stages once."""
    workspace = clone(tmp_path_factory.mktemp("edits"), standin=True)
    add_filter(1)(workspace)
    params = io.parse_yaml((workspace.path / "params.yaml").read_text(encoding="utf-8"))
    filters = [*params["intent"]["clean"]["filters"], {"kind": "lenient"}]
    workspace.overlay({"intent": {"clean": {"filters": filters}}})
    workspace.snakemake("-c2")
    yield workspace


@pytest.fixture(scope="module")
def edges(done: Workspace) -> Edges:
    """Pairs of a stage and a stage that depends on it, from `dvc dag`."""
    dot = done.run("dvc", "dag", "--dot").stdout
    pairs = (line.split('"')[1::2] for line in dot.splitlines() if "->" in line)
    return {(a, b) for a, b in pairs}


def write(name: str, text: str) -> Callable[[Workspace], None]:
    """An edit that overwrites an output or adds a file to the project."""

    def edit(workspace: Workspace) -> None:
        (workspace.path / name).write_text(text)

    return edit


def add_filter(edition: int) -> Callable[[Workspace], None]:
    """An edit that writes the code of the filter `lenient`, which includes the number `edition`."""
    end = f"EDITION = {edition}\n"
    return lambda workspace: executions.write_filter(workspace.path, "lenient", end)


def overlay(values: Mapping[str, object]) -> Callable[[Workspace], None]:
    """An edit that merges `values` into params.yaml."""
    return lambda workspace: workspace.overlay(values)


def remove(name: str) -> Callable[[Workspace], None]:
    """An edit that removes an output."""

    def edit(workspace: Workspace) -> None:
        path = workspace.path / name
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


# Each value is an edit, a stage that it makes stale, the tasks that it does not affect, and the
# engine that runs afterwards. Each engine runs after some of the edits; DVC runs after the edit of
# a shared file, because Snakemake has already run all stages once.
EDITS = {
    "param of one task": (
        overlay({"translation": {"clean": {"mask": {"regions": ["DE"]}}}}),
        "clean@translation",
        ("sentiment", "intent", "generation"),
        with_snakemake,
    ),
    "file of one task": (
        add_filter(2),
        "clean@intent",
        ("sentiment", "translation", "generation"),
        with_dvc,
    ),
    "shared source file": (
        write("src/tandem/core/values.json", "[]"),
        "fetch@intent",
        (),
        with_dvc,
    ),
    "file of the methods": (
        write("src/tandem/compression/values.json", "[]"),
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
        write("models/sentiment/base/content.json", "damaged"),
        "train@sentiment",
        ("translation", "intent"),
        with_snakemake,
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_engines_agree_after(name: str, done: Workspace, edges: Edges) -> None:
    edit, expected, unaffected, run_engine = EDITS[name]
    edit(done)
    planned = done.planned()
    assert expected in planned
    assert planned == below(edges, done.changed())
    for task in unaffected:
        assert not {stage for stage in planned if f"@{task}" in stage}
    run_engine(done)


def test_dry_repro_names_the_same_stages(done: Workspace, edges: Edges) -> None:
    add_filter(3)(done)
    done.repro("code")  # this stage writes the files by which DVC detects changed code
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
    remove("models/sentiment/int8")(done)
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
