"""Data that a user tracks with a .dvc file is a source: neither engine removes or changes it."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.made_up import executed, make, stage
from engines.workspace import Workspace

pytestmark = pytest.mark.slow

ENGINES = {"dvc": ["dvc", "repro"], "snakemake": ["snakemake", "-c2"]}
READ = ["rows.csv", "mine/rows.csv", "folder/a.csv", "imported.csv", "fetched.csv"]
TRACKED = [*READ[:2], "folder", *READ[3:], "unused.csv"]
FILES = [*READ, "folder/b.csv", "unused.csv"]


@pytest.fixture(scope="module", params=ENGINES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project in which one engine has run a stage that reads each kind of tracked data."""
    other = make(tmp_path_factory.mktemp("other") / "project", {})
    (other.path / "imported.csv").write_text("imported\n")
    other.run("dvc", "add", "--quiet", "imported.csv")
    other.run("git", "add", "--all")
    other.run("git", "-c", "user.email=a@b", "-c", "user.name=a", "commit", "--quiet", "-m", "a")
    inputs = [*READ, "sub/made.txt"]
    project = make(
        tmp_path_factory.mktemp("sources") / "project",
        {"use": stage(f"cat {' '.join(inputs)} > used.txt", inputs, ["used.txt"])},
    )
    for name in ("rows.csv", "mine/rows.csv", "folder/a.csv", "folder/b.csv", "unused.csv"):
        (project.path / name).parent.mkdir(exist_ok=True)
        (project.path / name).write_text(f"{name}\n")
    project.run("dvc", "add", "--quiet", "rows.csv", "mine/rows.csv", "folder", "unused.csv")
    project.run("dvc", "import", "--quiet", str(other.path), "imported.csv")
    outside = project.path.parent / "fetched.csv"
    outside.write_text("fetched\n")
    project.run("dvc", "import-url", "--quiet", str(outside), "fetched.csv")
    (project.path / "sub").mkdir()
    stages = {
        "made": stage("cat ../mine/rows.csv > made.txt", ["../mine/rows.csv"], ["made.txt"]),
        "other": stage("cat ../rows.csv > other.txt", ["../rows.csv"], ["other.txt"]),
    }
    (project.path / "sub/dvc.yaml").write_text(json.dumps({"stages": stages}))
    project.env["ENGINE"] = request.param
    run(project)
    assert executed(project) == ["sub/dvc.yaml:made", "use"]
    return project


def run(project: Workspace, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return project.run(*ENGINES[project.env["ENGINE"]], check=check)


def test_the_root_runs_only_the_stages_of_a_subfolder_that_it_needs(project: Workspace) -> None:
    assert project.planned() == set()
    assert not (project.path / "sub/other.txt").exists()
    project.snakemake("-c1", "sub/other.txt")
    assert executed(project) == ["sub/dvc.yaml:other"]
    assert project.changed() == set()


def test_edits_are_kept_and_make_their_readers_run(project: Workspace) -> None:
    for name in FILES:
        with (project.path / name).open("a") as file:
            file.write("a new row\n")
    contents = {name: (project.path / name).read_bytes() for name in FILES}
    pointers = {name: digest(project.path / f"{name}.dvc") for name in TRACKED}
    # Planning changes nothing; the default run does not include the unused stage `other`.
    assert project.planned() == {"use", "sub/dvc.yaml:made"}
    assert {name: digest(project.path / f"{name}.dvc") for name in TRACKED} == pointers
    run(project)
    assert executed(project) == ["sub/dvc.yaml:made", "use"]
    assert {name: (project.path / name).read_bytes() for name in FILES} == contents
    # Like `dvc add`, a run updates .dvc files, but only those of data that a stage reads.
    changed = {n for n in TRACKED if digest(project.path / f"{n}.dvc") != pointers[n]}
    assert changed == {*TRACKED} - {"unused.csv"}
    assert project.changed() == {"unused.csv.dvc", "sub/dvc.yaml:other"}
    assert project.planned() == set()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_edit_of_data_without_readers_runs_nothing(project: Workspace) -> None:
    with (project.path / "folder/b.csv").open("a") as file:
        file.write("another row\n")
    assert project.planned() == set()
    run(project)
    assert executed(project) == []
    assert (project.path / "folder/b.csv").read_text().endswith("another row\n")


@pytest.mark.parametrize("name", READ)
def test_missing_data_is_one_line_and_nothing_is_removed(name: str, project: Workspace) -> None:
    path = project.path / name
    tracked = "folder" if name.startswith("folder") else name
    for file in [path, *path.parent.glob("b.csv")] if tracked == "folder" else [path]:
        file.unlink()
    if tracked == "folder":
        path.parent.rmdir()
    before = set(project.path.rglob("*.csv"))
    done = run(project, check=False)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode and tracked in line and "Traceback" not in done.stderr
    if project.env["ENGINE"] == "snakemake":
        assert done.returncode == 2 and f"run `dvc checkout {tracked}.dvc`" in line
    assert executed(project) == [] and set(project.path.rglob("*.csv")) == before
    project.run("dvc", "checkout", "--quiet", f"{tracked}.dvc")
    run(project)
    assert executed(project) == []


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Workspace]:
    """A project with stages code → one → two; `code` copies only the first line of source.txt."""
    stages = {
        "code": stage("head -1 source.txt > code.txt", ["source.txt"], ["code.txt"]),
        "one": stage("cat code.txt > one.txt", ["code.txt"], ["one.txt"]),
        "two": stage("cat one.txt > two.txt", ["one.txt"], ["two.txt"]),
    }
    yield make(tmp_path / "project", stages, **{"source.txt": "first\n"})


def test_planning_runs_the_stage_code(chain: Workspace) -> None:
    assert chain.planned() == {"one", "two"}
    assert executed(chain) == ["code"]
    chain.snakemake("-c2")
    assert executed(chain) == ["one", "two"]
    source = chain.path / "source.txt"
    source.write_text("first\nand a remark\n")
    assert chain.planned() == set()
    assert executed(chain) == ["code"]
    chain.snakemake("-c2")
    assert executed(chain) == [] and chain.changed() == set()
    source.write_text("changed\n")
    chain.snakemake("-c2")
    assert executed(chain) == ["code", "one", "two"]


def test_a_failure_of_the_stage_code_is_reported_in_one_line(chain: Workspace) -> None:
    (chain.path / "source.txt").unlink()
    done = chain.snakemake("-n", check=False)
    assert done.returncode == 2 and "tandem: stage code failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_whose_inputs_come_out_unchanged_is_skipped_without_a_run_cache(
    chain: Workspace,
) -> None:
    """`one` is stale in the plan, but its outputs still exist when DVC compares its inputs."""
    content = json.loads((chain.path / "dvc.yaml").read_text())
    content["stages"]["first"] = content["stages"].pop("code")
    (chain.path / "dvc.yaml").write_text(json.dumps(content))
    chain.snakemake("-c2")
    assert executed(chain) == ["first", "one", "two"]
    chain.run("rm", "-r", ".dvc/cache/runs")
    (chain.path / "source.txt").write_text("first\nand a remark\n")
    assert chain.planned() == {"first", "one", "two"}
    chain.snakemake("-c2")
    assert executed(chain) == ["first"] and chain.changed() == set()
