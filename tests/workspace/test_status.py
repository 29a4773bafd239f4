"""`tandem status` reports what changed, agrees with what the engines do, and writes nothing."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from engines.made_up import executed, make, stage
from engines.workspace import ROOT, Workspace, clone, script
from ruamel.yaml import YAML

from tandem.core.errors import StageError
from tandem.engines import code_closure
from tandem.workspace.status import examination
from tandem.workspace.status.report import lines

pytestmark = pytest.mark.slow

write_filter = script("executions").write_filter
SCHEMA = json.loads((ROOT / "docs/schemas/status.json").read_text())
Found = dict[str, tuple[str, list[str]]]
"""Stage → state and reasons in words, for the stages that are not fresh."""

STAGES: dict[str, Any] = {
    "rows": stage(
        "mkdir -p data/rows metrics && cat own.csv in.txt > data/rows/rows.txt && "
        "echo more > data/rows/more.txt && echo 1 > metrics/rows.json",
        ["own.csv", "in.txt"],
        ["data/rows"],
    )
    | {"metrics": [{"metrics/rows.json": {"cache": False}}]},
    "train": stage("head -c 3 data/rows/rows.txt > model.bin", ["data/rows"], ["model.bin"])
    | {"params": [{"own.yaml": ["train", "seed"]}]},
    "score": stage("cp model.bin score.txt", ["model.bin", "data/rows/more.txt"], ["score.txt"]),
    "list": stage("ls metrics > list.txt", ["metrics"], ["list.txt"]),
    "old": stage("cp in.txt old.txt", ["in.txt"], ["old.txt"]),
}
READS_METRICS = ["metrics"], ["list.txt"]
PARAMS = {"train": {"rate": 0.1, "sizes": [1, 2]}, "seed": 1}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project of five stages, a file in Git and a DVC-tracked file; tests must not change it."""
    path = tmp_path_factory.mktemp("status") / "project"
    files = {"in.txt": "row\n", "own.csv": "own\n", "own.yaml": json.dumps(PARAMS)}
    project = make(path, STAGES, **files)
    project.run("dvc", "add", "--quiet", "own.csv")
    project.snakemake("-c2")
    assert len(executed(project)) == 5
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        project.run("git", "config", key, value)
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "Run")
    return project


@pytest.fixture
def project(whole: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of `whole` that a test may change; it is the current folder."""
    copied = copy(whole, tmp_path / "project")
    monkeypatch.chdir(copied.path)
    for key in ("DVC_SITE_CACHE_DIR", "DVC_NO_ANALYTICS"):
        monkeypatch.setenv(key, copied.env[key])
    return copied


def copy(workspace: Workspace, path: Path) -> Workspace:
    sockets = shutil.ignore_patterns("*.sock")
    shutil.copytree(workspace.path, path, symlinks=True, ignore=sockets)
    old = str(workspace.path)
    return Workspace(path, {k: v.replace(old, str(path)) for k, v in workspace.env.items()})


def found() -> Found:
    """Check the report against its schema; return its stages that are not fresh, in order."""
    report = examination.examine()
    said = report.as_json()
    jsonschema.validate(said, SCHEMA, jsonschema.Draft202012Validator)
    assert all(len(line) <= 80 for line in lines(report, 80))
    return {
        stage.name: (stage.state, [reason.text for reason in stage.reasons])
        for stage in report.stages
        if stage.state != "fresh" or stage.reasons
    }


def edit_stages(project: Workspace, edit: Callable[[Any], object]) -> None:
    dag = project.path / "dvc.yaml"
    content = json.loads(dag.read_text())
    edit(content["stages"])
    dag.write_text(json.dumps(content))


def set_params(project: Workspace, **changes: object) -> None:
    (project.path / "own.yaml").write_text(json.dumps(PARAMS | changes))


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder with its modification time and content."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
        if ".git" not in path.parts
    }


def test_all_is_fresh_in_one_line_and_nothing_is_written(project: Workspace) -> None:
    before = snapshot(project.path)
    done = project.run("tandem", "status")
    assert done.stdout == "fresh: 5 stages and 1 .dvc file\nnothing to do\n" and not done.stderr
    assert snapshot(project.path) == before
    said = json.loads(project.run("tandem", "status", "--json").stdout)
    assert {s["name"] for s in said["stages"]} == {*STAGES, "own.csv.dvc"}
    assert {s["state"] for s in said["stages"]} == {"fresh"}


UPSTREAM = "upstream rows"
EDITS: dict[str, tuple[Callable[[Workspace], object], Found]] = {
    "a param": (
        lambda project: set_params(project, train={"rate": 0.2, "sizes": [1, 2]}),
        {
            "train": ("stale", ["own.yaml:train.rate 0.1 → 0.2"]),
            "score": ("stale", ["upstream train"]),
        },
    ),
    "params come and go": (
        lambda project: set_params(project, train={"rate": 0.1, "depth": None}),
        {
            "train": (
                "stale",
                [
                    "own.yaml:train.sizes is gone ([1, 2] before)",
                    "own.yaml:train.depth is new (null)",
                ],
            ),
            "score": ("stale", ["upstream train"]),
        },
    ),
    "a file": (
        lambda project: (project.path / "in.txt").write_text("another\n"),
        {
            "rows": ("stale", ["in.txt changed"]),
            "old": ("stale", ["in.txt changed"]),
            "train": ("stale", [UPSTREAM]),
            "score": ("stale", [UPSTREAM]),
            "list": ("stale", [UPSTREAM]),
        },
    ),
    "a person's tracked file": (
        lambda project: (project.path / "own.csv").write_text("another\n"),
        {
            "own.csv.dvc": ("stale", ["own.csv was edited; the next run uses the edited data"]),
            "rows": ("stale", ["own.csv changed"]),
            "train": ("stale", [UPSTREAM]),
            "score": ("stale", [UPSTREAM]),
            "list": ("stale", [UPSTREAM]),
        },
    ),
    "a command": (
        lambda project: edit_stages(
            project, lambda s: s.update(list=stage("ls -a metrics > list.txt", *READS_METRICS))
        ),
        {"list": ("stale", ['the command changed from ls metrics > list.txt && echo "…'])},
    ),
    "an edited output": (
        lambda project: (project.path / "data/rows/more.txt").write_text("edited\n"),
        {"rows": ("stale", ["data/rows was edited (more.txt): the stage recreates it"])},
    ),
    "a removed output": (
        lambda project: remove(project.path / "data/rows"),
        {"rows": ("missing", ["data/rows is not in the workspace: `dvc checkout` restores it"])},
    ),
    "a removed metric": (
        lambda project: remove(project.path / "metrics/rows.json"),
        {
            "rows": (
                "missing",
                ["metrics/rows.json is not in the workspace: `git restore` restores it"],
            )
        },
    ),
    "a file in a folder that a stage reads": (
        lambda project: (project.path / "metrics/mine.json").write_text("1\n"),
        {"list": ("stale", ["metrics changed (mine.json)"])},
    ),
    "a new stage": (
        lambda project: edit_stages(
            project, lambda s: s.update(new=stage("cp list.txt new.txt", ["list.txt"], ["new.txt"]))
        ),
        {"new": ("missing", ["dvc.lock has no entry for the stage"])},
    ),
    "a new dependency and output": (
        lambda project: edit_stages(
            project,
            lambda s: s["list"].update(deps=["metrics", "in.txt"], outs=["list.txt", "in2.txt"]),
        ),
        {
            "list": (
                "stale",
                ["in.txt was added to the stage's deps in dvc.yaml", "in2.txt is not in dvc.lock"],
            )
        },
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_said_after(name: str, project: Workspace) -> None:
    edit, expected = EDITS[name]
    edit(project)
    before = snapshot(project.path)
    assert found() == expected
    assert snapshot(project.path) == before


@pytest.mark.parametrize(
    "name", ["a param", "a file", "a person's tracked file", "a command", "a removed output"]
)
def test_the_engines_execute_what_is_stale_and_only_that(name: str, project: Workspace) -> None:
    """A stale stage may be skipped if its inputs turn out unchanged."""
    edit, _ = EDITS[name]
    edit(project)
    said = found()
    assert {*said} - {"own.csv.dvc"} <= project.planned()
    project.snakemake("-c2")
    stale = {stage for stage, (state, _) in said.items() if state == "stale"}
    own = {
        stage
        for stage, (state, reasons) in said.items()
        if state == "stale" and any("upstream" not in reason for reason in reasons)
    } - {"own.csv.dvc"}
    assert own <= {*executed(project)} <= stale
    assert found() == {}


def test_a_frozen_stage_is_a_state_of_its_own(project: Workspace) -> None:
    project.run("dvc", "freeze", "rows")
    (project.path / "in.txt").write_text("another\n")
    assert found() == {"rows": ("frozen", []), "old": ("stale", ["in.txt changed"])}
    project.run("dvc", "repro")
    assert executed(project) == ["old"] and found() == {"rows": ("frozen", [])}
    assert project.run("tandem", "status").returncode == 0
    remove(project.path / "data/rows")
    reason = "data/rows is not in the workspace: `dvc checkout` restores it"
    assert found() == {"rows": ("frozen", [reason])} and examination.examine().exit_code == 1


def test_a_fresh_clone_needs_only_its_outputs(project: Workspace, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    project.run("dvc", "remote", "add", "--default", "there", str(remote))
    project.run("git", "commit", "--quiet", "--all", "--message", "Add a remote")
    project.run("dvc", "push", "--quiet")
    fresh = Workspace(tmp_path / "fresh", dict(project.env))
    project.run("git", "clone", "--quiet", str(project.path), str(fresh.path))
    os.chdir(fresh.path)
    before = snapshot(fresh.path)
    said = found()
    assert snapshot(fresh.path) == before
    assert {state for state, _ in said.values()} == {"missing"} and len(said) == 6
    reason = "own.csv is not in the workspace: `dvc pull` restores it"
    assert said["own.csv.dvc"] == ("missing", [reason])
    assert fresh.run("tandem", "status", check=False).returncode == 1
    fresh.run("dvc", "pull", "--quiet")
    assert found() == {}
    fresh.run("git", "config", "--file", ".dvc/config", "--remove-section", "core")
    remove(fresh.path / "model.bin")
    remove(fresh.path / ".dvc/cache")
    assert examination.examine().notes == [
        "`dvc pull` needs a remote: see `dvc remote add --default`"
    ]


def test_an_output_that_the_cache_lacks(project: Workspace) -> None:
    remove(project.path / ".dvc/cache/files")
    said = found()
    reason = "model.bin is not in DVC's cache: `dvc commit train` adds it to the cache"
    assert said["train"] == ("missing", [reason])
    assert project.changed() == {*said}
    project.run("dvc", "commit", "train")
    assert "train" not in found() and "train" not in project.changed()


def test_a_missing_file(project: Workspace) -> None:
    remove(project.path / "in.txt")
    said = found()
    assert said["rows"] == ("stale", ["in.txt is missing"])
    assert said["train"] == ("stale", [UPSTREAM])


def test_dvc_lock_absent_cut_short_or_in_conflict(project: Workspace) -> None:
    lock = project.path / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: len(text) // 2])
    report = examination.examine()
    assert len(report.notes) == 1 and "a copy is read instead" in report.notes[0]
    assert {stage.state for stage in report.stages} == {"fresh"} and report.exit_code == 1
    remove(project.path / ".snakemake")
    assert found()["train"] == ("stale", ["dvc.lock has no entry for the stage", "upstream rows"])
    lock.write_text(f"<<<<<<< HEAD\n{text}=======\n>>>>>>> other\n")
    assert examination.examine().notes == [
        "dvc.lock has merge conflict markers: run `tandem merge-lock`"
    ]
    lock.write_text("schema: '2.0'\nstages: [1]\n")
    assert "dvc.lock is damaged" in examination.examine().notes[0]
    remove(lock)
    assert not examination.examine().notes
    assert found()["old"] == ("stale", ["dvc.lock has no entry for the stage"])
    remove(project.path / "old.txt")
    assert found()["old"] == ("missing", ["dvc.lock has no entry for the stage"])


def test_what_cannot_be_read_is_reported_in_one_line(project: Workspace) -> None:
    (project.path / "dvc.yaml").write_text("stages: [")
    done = project.run("tandem", "status", check=False)
    assert done.returncode == 2 and done.stderr.startswith("tandem: DVC cannot read the pipeline")
    assert done.stderr.count("\n") == 1 and not done.stdout
    remove(project.path / "dvc.yaml")
    with pytest.raises(StageError, match=r"there is no dvc\.yaml here"):
        examination.examine()


def test_a_stage_of_a_subfolder_counts_if_the_root_needs_it(project: Workspace) -> None:
    (project.path / "sub").mkdir()
    stages = {
        "made": stage("cp ../in.txt made.txt", ["../in.txt"], ["made.txt"]),
        "unused": stage("cp ../in.txt unused.txt", ["../in.txt"], ["unused.txt"]),
    }
    (project.path / "sub/dvc.yaml").write_text(json.dumps({"stages": stages}))
    edit_stages(project, lambda s: s["list"].update(deps=["metrics", "sub/made.txt"]))
    said = found()
    assert said["sub/dvc.yaml:made"] == ("missing", ["dvc.lock has no entry for the stage"])
    assert "sub/dvc.yaml:unused" not in said
    project.repro()
    assert found() == {}


WAIT = "touch started && while ! test -e go; do sleep 0.05; done && "


def test_imports_are_sources(project: Workspace) -> None:
    elsewhere = project.path.parent / "elsewhere.csv"
    elsewhere.write_text("theirs\n")
    project.run("dvc", "import-url", "--quiet", str(elsewhere), "theirs.csv")
    edit_stages(project, lambda s: s["list"].update(deps=["metrics", "theirs.csv"]))
    project.repro()
    elsewhere.write_text("newer\n")  # only `dvc update` imports this change
    assert found() == {} and examination.examine().exit_code == 0
    remove(project.path / "theirs.csv")
    reason = "theirs.csv is not in the workspace: `dvc checkout` restores it"
    assert found() == {"theirs.csv.dvc": ("missing", [reason])}


@pytest.mark.parametrize("engine", [["dvc", "repro"], ["snakemake", "-c2"]], ids=lambda e: e[0])
def test_what_runs_is_named_with_its_command(engine: list[str], project: Workspace) -> None:
    edit_stages(project, lambda s: s["train"].update(cmd=WAIT + s["train"]["cmd"]))
    process = subprocess.Popen(
        engine, cwd=project.path, env=project.env, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (project.path / "started").exists() and time.monotonic() < end:
        time.sleep(0.05)
    report = examination.examine()
    (project.path / "go").touch()
    said = {stage.name: stage for stage in report.stages if stage.state != "fresh"}
    assert said["train"].state == "running" and {*said} == {"train", "score"}
    assert "repro" in said["train"].reasons[0].name
    assert [reason.text for reason in said["score"].reasons] == ["upstream train"]
    if engine[0] == "snakemake":
        assert report.notes == [
            f"`snakemake -c2` (process {process.pid}) is running in this project"
        ]
    else:
        assert said["train"].reasons[0].text == f"by `dvc repro` (process {process.pid})"
    assert report.exit_code == 1
    assert process.wait(120) == 0
    assert found() == {} and not examination.examine().notes


def test_locks_of_processes_that_ended_do_not_count(project: Workspace) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    out = str(project.path / "model.bin")
    rwlock = project.path / ".dvc/tmp/rwlock"
    held = {"write": {out: {"pid": ended.pid, "cmd": "dvc repro"}}, "read": {}}
    rwlock.write_text(json.dumps(held))
    assert found() == {}
    # The PID of a process that ended long ago is now that of another process.
    held["write"][out]["pid"] = os.getpid()
    rwlock.write_text(json.dumps(held))
    os.utime(rwlock, (1, 1))
    assert found() == {}
    for text in ("", "[]", '{"write": {"a": 1}}'):
        rwlock.write_text(text)
        assert found() == {}


# Code


@pytest.fixture(scope="module")
def with_code(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project with some stages of two tasks, run by standin.py, and the real stage `code`."""
    workspace = clone(tmp_path_factory.mktemp("code") / "project", standin=True)
    groups = ("code", "fetch", "clean", "split")
    yaml = YAML()
    dag = yaml.load(workspace.path / "dvc.yaml")
    dag["stages"] = {name: dag["stages"][name] for name in groups}
    dag["stages"]["code"]["outs"] = [f"workflow/code/{name}" for name in groups[1:]]
    del dag["artifacts"]
    yaml.dump(dag, workspace.path / "dvc.yaml")
    params = yaml.load(workspace.path / "params.yaml")
    params |= {"tasks": ["intent", "sentiment"], "preferences": {}}
    for task in ("generation", "translation"):
        del params[task], params["augmentation_models"][task]
    for task in params["tasks"]:
        params[task] = {name: params[task][name] for name in groups[1:]}
    for task, filters in {"intent": ["narrow", "wide"], "sentiment": ["wide"]}.items():
        params[task]["clean"]["filters"] += [{"kind": kind} for kind in filters]
    yaml.dump(params, workspace.path / "params.yaml")
    for kind in ("narrow", "wide"):
        write_filter(workspace.path, kind)
    workspace.repro()
    return workspace


@pytest.fixture
def coded(
    with_code: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy of `with_code` that a test may change; it is the current folder."""
    copied = copy(with_code, tmp_path / "project")
    monkeypatch.chdir(copied.path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", copied.env["DVC_SITE_CACHE_DIR"])
    yield copied


CODE = ("stale", ["src/tandem changed"])


def test_source_files_that_changed_are_named(coded: Workspace) -> None:
    assert found() == {}
    write_filter(coded.path, "wide", "\n# A remark.\n")
    assert found() == {"code": CODE}
    wide = f"{write_filter(coded.path, 'wide', 'EDITED = 1')} changed"
    narrow = f"{write_filter(coded.path, 'narrow', 'import zipfile')} changed"
    before = snapshot(coded.path)
    said = found()
    assert said["code"] == CODE
    assert said["clean@intent"] == ("stale", [narrow, wide])
    assert said["clean@sentiment"] == ("stale", [wide])
    assert said["split@sentiment"] == ("stale", ["upstream clean@sentiment"])
    assert not said.keys() & {"fetch@intent", "fetch@sentiment"}
    assert snapshot(coded.path) == before


def test_a_newly_imported_file_and_a_package(coded: Workspace) -> None:
    narrow = write_filter(coded.path, "narrow", "from tandem.modeling import seeding")
    versions = code_closure.locked_versions()
    old = versions.pop("pyarrow")
    locked = {"pyarrow": "1.0", **versions}
    lines = [f"{name}=={version}\n" for name, version in locked.items()]
    (coded.path / "requirements.lock").write_text("".join(lines))
    said = found()
    assert said["code"] == ("stale", ["requirements.lock changed", "src/tandem changed"])
    reasons = said["clean@intent"][1]
    assert "src/tandem/modeling/seeding.py was added to the stage's code" in reasons
    assert f"{narrow} changed" in reasons
    assert f"pyarrow {old} → 1.0" in reasons
    assert f"pyarrow {old} → 1.0" in said["fetch@sentiment"][1]
    for path in ("workflow/code", ".dvc/cache/files"):
        remove(coded.path / path)
    assert "its code changed" in found()["clean@intent"][1]


def test_code_that_cannot_be_parsed_is_reported_in_one_line(coded: Workspace) -> None:
    write_filter(coded.path, "wide", "(")
    done = coded.run(sys.executable, "-m", "tandem", "status", check=False)
    assert done.returncode == 2 and "wide.py cannot be parsed" in done.stderr


def test_a_clone_without_artifacts_knows_its_code(coded: Workspace) -> None:
    for path in ("data", "workflow/code", ".dvc/cache", ".dvc/tmp", ".dvc/site"):
        remove(coded.path / path)
    said = found()
    assert {state for state, _ in said.values()} == {"missing"} and len(said) == 7
    write_filter(coded.path, "narrow", "EDITED = 1")
    said = found()
    assert said["clean@intent"][0] == "stale" and said["fetch@intent"][0] == "missing"


def test_it_costs_no_more_than_a_dry_run(with_code: Workspace) -> None:
    """Compare the CPU time of `tandem status` and `snakemake -n`, after one run of each command."""

    def cost(*command: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with_code.run(*command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    ours = [sys.executable, "-m", "tandem", "status"]  # standin.py can only run stages
    commands = [ours, ["snakemake", "-n", "--quiet"]]
    for command in commands:  # the first run hashes files and checks params.yaml
        with_code.run(*command)
    status_cost, dry_run = (min(cost(*command) for _ in range(2)) for command in commands)
    assert status_cost < dry_run
