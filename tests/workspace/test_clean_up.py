"""`tandem clean-up` removes leftovers of removed tasks and stages, but none of the user's files."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from engines.made_up import executed, make, stage
from engines.workspace import ROOT, Workspace, clone
from ruamel.yaml import YAML

from tandem.core.errors import StageError
from tandem.engines import cost
from tandem.workspace.clean_up import command, edits, removal
from tandem.workspace.clean_up.examination import examine
from tandem.workspace.clean_up.file_checks import md5 as md5_of

pytestmark = pytest.mark.slow

SCHEMA = json.loads((ROOT / "docs/schemas/clean-up.json").read_text())
ROWS = "mkdir -p data/${item} && cp in.txt data/${item}/rows.txt && echo 1 > data/${item}/more.txt"
METRIC = "mkdir -p metrics && echo '{\"rows\": 1}' > metrics/${item}.json"
MODEL = "mkdir -p models/${item} && sort -r data/${item}/*.txt > models/${item}/weights.bin"


def of_tasks(entry: dict[str, object], **more: object) -> dict[str, object]:
    """A stage for each task."""
    return {"foreach": "${names}", "do": entry | more}


STAGES: dict[str, Any] = {
    "rows": of_tasks(
        stage(f"{ROWS} && {METRIC}", ["in.txt"], ["data/${item}"]),
        metrics=[{"metrics/${item}.json": {"cache": False}}],
    ),
    "train": of_tasks(stage(MODEL, ["data/${item}"], ["models/${item}"])),
    "report": stage("cat metrics/*.json > report.txt", ["metrics"], ["report.txt"]),
}
ARTIFACTS = """
# What is published.
artifacts:
  a:
    path: models/a  # the first
    type: model
  # The second.
  b:
    path: models/b
    desc: >
      Two
      lines

# The end.
"""
ROWS_OF_B = ["data/b", "metrics/b.json", "models/b"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project whose two tasks and report have been run; tests must not change it."""
    path = tmp_path_factory.mktemp("clean-up") / "project"
    project = make(path, STAGES, **{"in.txt": "row\n", "own.yaml": '{"names": ["a", "b"]}'})
    _publish(project, ARTIFACTS)
    project.run("git", "config", "user.name", "test")
    project.run("git", "config", "user.email", "test@example.org")
    project.repro()
    assert len(executed(project)) == 5
    commit(project)
    return project


def _publish(project: Workspace, artifacts: str) -> None:
    """Rewrite dvc.yaml as a user might: with `vars`, and `artifacts` that have comments."""
    dag = project.path / "dvc.yaml"
    stages = YAML(typ="safe").load(dag.read_text())
    with dag.open("w") as file:
        YAML().dump({"vars": ["own.yaml"]} | stages, file)
        file.write(artifacts)


def commit(project: Workspace) -> None:
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message", "Run")


@pytest.fixture
def project(
    whole: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy of the project that a test may change; it is the working directory."""
    copied = copy(whole, tmp_path / "project")
    monkeypatch.chdir(copied.path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", copied.env["DVC_SITE_CACHE_DIR"])
    yield copied


def copy(workspace: Workspace, path: Path) -> Workspace:
    shutil.copytree(workspace.path, path, symlinks=True)
    old = str(workspace.path)
    return Workspace(path, {k: v.replace(old, str(path)) for k, v in workspace.env.items()})


def tasks(project: Workspace, *names: str) -> None:
    """Remove all tasks except these."""
    (project.path / "own.yaml").write_text(json.dumps({"names": [*names]}))


def edit_stages(project: Workspace, edit: Any) -> None:
    """Change the stages in dvc.yaml."""
    dag = project.path / "dvc.yaml"
    yaml = YAML()
    content = yaml.load(dag.read_text())
    edit(content["stages"])
    with dag.open("w") as file:
        yaml.dump(content, file)


def cleaned(project: Workspace, *options: str, code: int = 0) -> dict[str, Any]:
    """The output of `tandem clean-up --json`, checked against its schema."""
    done = project.run("tandem", "clean-up", "--json", *options, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(said, SCHEMA, jsonschema.Draft202012Validator)
    return said


def paths_of(said: dict[str, Any]) -> list[str]:
    return [output["path"] for output in said["outputs"]]


def kept(said: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in said["kept"]}


def entries(project: Workspace) -> set[str]:
    """The stages in dvc.lock."""
    return set(YAML(typ="safe").load((project.path / "dvc.lock").read_text())["stages"])


def test_what_a_task_leaves_is_removed_and_only_the_report_runs(project: Workspace) -> None:
    for folder in ("data/b", "models/b"):  # as Snakemake does
        (project.path / folder / ".snakemake_timestamp").touch()
    tasks(project, "a")
    before = project.path.joinpath("dvc.lock").read_text()
    done = project.run("tandem", "clean-up", "--yes")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("removed 3 outputs (") and "2 entries of dvc.lock" in last
    assert "1 artifact of dvc.yaml" in last
    for path in ROWS_OF_B:
        assert not (project.path / path).exists()
    for path in ("data/a", "metrics/a.json", "models/a"):
        assert (project.path / path).exists()
    assert entries(project) == {"rows@a", "train@a", "report"}
    assert set(project.path.joinpath("dvc.lock").read_text().splitlines()) <= set(
        before.splitlines()
    )
    assert project.changed() == project.planned() == {"report"}
    project.repro()
    assert executed(project) == ["report"]
    assert project.changed() == project.planned() == set()
    assert not examine()
    # Nothing is lost: Git and DVC's cache still contain what was removed.
    project.run("git", "restore", "dvc.lock", "dvc.yaml", "own.yaml", "metrics", ".gitignore")
    project.run("git", "restore", "data/.gitignore", "models/.gitignore")
    project.run("dvc", "checkout")
    assert project.changed() <= {"report"} and executed(project) == []


def test_artifacts_are_removed_line_by_line(project: Workspace) -> None:
    tasks(project, "a")
    before = (project.path / "dvc.yaml").read_text()
    project.run("tandem", "clean-up", "--yes")
    gone = "  b:\n    path: models/b\n    desc: >\n      Two\n      lines\n"
    assert gone in before and (project.path / "dvc.yaml").read_text() == before.replace(gone, "")


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a: 1\nartifacts:\n  x: {path: y}\nb: 2\n", ["x"], "a: 1\nb: 2\n"),
        ("artifacts: {x: {path: y}, z: {path: w}}\n", ["x"], "artifacts: {z: {path: w}}\n"),
        (
            "artifacts:\n  x:\n    path: y\n\n  # of z\n  z:\n    path: w\n",
            ["x"],
            "artifacts:\n\n  # of z\n  z:\n    path: w\n",
        ),
    ],
)
def test_artifacts_in_any_layout(text: str, names: list[str], expected: str) -> None:
    assert edits.without_artifacts(text, names) == expected


def test_an_artifact_that_others_refer_to_must_be_removed_by_hand() -> None:
    text = "artifacts:\n  x: &x\n    path: y\n  z: *x\n"
    shorter = edits.without_artifacts(text, ["x"])
    assert YAML(typ="safe").load(shorter) == {"artifacts": {"z": {"path": "y"}}}
    with pytest.raises(StageError, match="remove w from artifacts by hand"):
        edits.without_artifacts(text, ["w"])


def test_entries_of_a_lock_that_dvc_has_not_written() -> None:
    text = "{schema: '2.0', stages: {a: {cmd: b}, c: {cmd: d}}}\n"
    assert YAML(typ="safe").load(edits.without_entries(text, ["a"])) == {
        "schema": "2.0", "stages": {"c": {"cmd": "d"}},
    }  # fmt: skip
    alone = "schema: '2.0'\nstages:\n  a:\n    cmd: b\n"
    shorter = edits.without_entries(alone, ["a"])
    assert YAML(typ="safe").load(shorter) == {"schema": "2.0", "stages": {}}


def test_away_from_a_terminal_it_only_lists(project: Workspace) -> None:
    tasks(project, "a")
    before = snapshot(project)
    done = project.run("tandem", "clean-up", check=False)
    assert done.returncode == 1 and "models/b" in done.stdout and "B  data/b" in done.stdout
    said = cleaned(project, code=1)
    assert not said["removed"] and paths_of(said) == ROWS_OF_B
    assert said["stages"] == ["rows@b", "train@b"] and said["artifacts"] == ["b"]
    assert snapshot(project) == before


def snapshot(project: Workspace) -> dict[str, tuple[int, bytes]]:
    """Every file with its content and modification time."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(project.path.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_it_asks(project: Workspace, answer: str, code: int) -> None:
    tasks(project, "a")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        ["tandem", "clean-up"], cwd=project.path, env=project.env,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, f"{answer}\n".encode())
    assert process.wait(60) == code
    os.close(ours)
    assert (project.path / "models/b").exists() is bool(code)


def test_nothing_to_remove(project: Workspace) -> None:
    assert cleaned(project) == {
        "removed": False, "stages": [], "outputs": [], "gitignore": [], "artifacts": [], "kept": [],
    }  # fmt: skip
    assert project.run("tandem", "clean-up").stdout == "nothing to remove\n"


def test_files_of_a_person_in_an_output_are_kept(project: Workspace) -> None:
    (project.path / "data/b/notes.txt").write_text("mine\n")
    (project.path / "data/b/rows.txt").write_text("edited\n")
    (project.path / "metrics/b.json").write_text('{"rows": 2}\n')
    outside = project.path.parent / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("mine\n")
    (project.path / "data/b/link").symlink_to(outside)
    tasks(project, "a")
    said = cleaned(project, "--yes")
    assert kept(said) == {
        "data/b/link": "no stage wrote it",
        "data/b/notes.txt": "no stage wrote it",
        "data/b/rows.txt": "is not what rows@b wrote",
        "metrics/b.json": "is not what rows@b wrote",
    }
    assert {path.name for path in (project.path / "data/b").iterdir()} == {
        "link", "notes.txt", "rows.txt",
    }  # fmt: skip
    assert (project.path / "metrics/b.json").read_text() == '{"rows": 2}\n'
    assert (outside / "precious.txt").exists() and entries(project) == {
        "rows@a", "train@a", "report",
    }  # fmt: skip
    assert not (project.path / "models/b").exists()


def test_an_output_that_became_a_link_is_kept(project: Workspace) -> None:
    elsewhere = project.path.parent / "elsewhere"
    (project.path / "models/b").rename(elsewhere)
    (project.path / "models/b").symlink_to(elsewhere)
    (project.path / "data").rename(project.path.parent / "disk")
    (project.path / "data").symlink_to(project.path.parent / "disk")
    tasks(project, "a")
    said = cleaned(project, "--yes")
    assert kept(said) == {
        "data/b": "data is a symbolic link", "models/b": "is a symbolic link",
    }  # fmt: skip
    assert (elsewhere / "weights.bin").exists() and (project.path / "data/b/rows.txt").exists()
    assert said["artifacts"] == []  # the artifact's path still exists


def test_links_to_the_cache_are_removed_and_the_cache_stays(project: Workspace) -> None:
    project.run("dvc", "config", "cache.type", "symlink")
    project.run("dvc", "checkout", "--relink")
    assert (project.path / "models/b/weights.bin").is_symlink()
    tasks(project, "a")
    said = cleaned(project, "--yes")
    assert paths_of(said) == ROWS_OF_B and not said["kept"]
    assert (project.path / "models/a/weights.bin").exists()


def test_what_another_stage_now_makes_is_kept(project: Workspace) -> None:
    """The stage `train` is renamed to `fit`, which writes the same outputs."""

    def rename(stages: Any) -> None:
        stages["fit"] = stages.pop("train")

    edit_stages(project, rename)
    said = cleaned(project, "--yes")
    assert said["stages"] == ["train@a", "train@b"] and paths_of(said) == []
    assert kept(said) == {
        "models/a": "it is an output of fit@a", "models/b": "it is an output of fit@b",
    }  # fmt: skip
    assert entries(project) == {"rows@a", "rows@b", "report"}
    assert (project.path / "models/b/weights.bin").exists()
    assert said["artifacts"] == said["gitignore"] == []


def test_an_output_inside_the_folder_of_a_removed_stage_is_kept(project: Workspace) -> None:
    def replace(stages: Any) -> None:
        del stages["train"]
        command = "mkdir -p models/b/small && echo 1 > models/b/small/weights.bin"
        stages["shrink"] = stage(command, ["data/b"], ["models/b/small"])

    edit_stages(project, replace)
    project.repro("shrink")
    (project.path / "models/b/weights.bin").write_text("row\n1\n")  # the content that `train` wrote
    said = cleaned(project, "--yes")
    assert paths_of(said) == ["models/a", "models/b"] and not said["kept"]
    assert not (project.path / "models/b/weights.bin").exists()
    assert (project.path / "models/b/small/weights.bin").read_text() == "1\n"
    assert not (project.path / "models/a").exists()
    assert project.changed() == set()


def test_what_a_stage_or_a_dvc_file_still_needs_is_kept(project: Workspace) -> None:
    """A stage that the user added reads the rows of `b`; a .dvc file tracks the model of `b`."""

    def replace(stages: Any) -> None:
        del stages["train"]
        stages["use"] = stage("cat data/b/rows.txt > used.txt", ["data/b"], ["used.txt"])

    tasks(project, "a")
    edit_stages(project, replace)
    (project.path / "models/.gitignore").unlink()
    project.run("dvc", "add", "--quiet", "models/b")
    said = cleaned(project, "--yes")
    assert kept(said) == {"data/b": "use reads data/b", "models/b": "models/b.dvc tracks it"}
    assert (project.path / "data/b/rows.txt").exists()
    assert (project.path / "models/b/weights.bin").exists()
    project.repro()
    assert "use" in executed(project)


def test_params_that_a_stage_reads_are_kept(project: Workspace) -> None:
    """A removed stage wrote a params file that another stage reads, and a file listed in `vars`."""
    text = (project.path / "own.yaml").read_text()
    (project.path / "best.yaml").write_text("rate: 1\n")
    outs = ["own.yaml", "best.yaml"]
    listed = [f"    - path: {p}\n      md5: {md5_of(Path(p))}\n" for p in outs]
    with (project.path / "dvc.lock").open("a") as lock:
        lock.write("  tune:\n    cmd: x\n    outs:\n" + "".join(listed))
    edit_stages(project, lambda stages: stages["report"].update(params=[{"best.yaml": ["rate"]}]))
    said = cleaned(project, "--yes")
    assert said["stages"] == ["tune"] and {*kept(said)} == {*outs}
    assert kept(said)["best.yaml"] == "report reads best.yaml"
    assert (project.path / "own.yaml").read_text() == text


def test_the_list_says_what_has_no_other_copy(project: Workspace) -> None:
    tasks(project, "a")
    assert {output["copy"] for output in cleaned(project, code=1)["outputs"]} == {"cache"}
    for file in ("models/b/weights.bin", "metrics/b.json"):
        md5 = md5_of(project.path / file)
        (project.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    copies = {output["path"]: output["copy"] for output in cleaned(project, code=1)["outputs"]}
    assert copies == {"data/b": "cache", "metrics/b.json": "git", "models/b": "none"}
    said = project.run("tandem", "clean-up", check=False).stdout
    assert "models/b  (train@b, the only copy)" in said
    assert "data/b  (rows@b)" in said and "metrics/b.json  (rows@b)" in said


def test_without_the_list_of_its_files_a_folder_goes_as_a_whole_or_not_at_all(
    project: Workspace,
) -> None:
    shutil.rmtree(project.path / ".dvc/cache")
    (project.path / "models/b/notes.txt").write_text("mine\n")
    tasks(project, "a")
    said = cleaned(project, "--yes")
    assert paths_of(said) == ["data/b", "metrics/b.json"]
    reason = "may have been changed or added after train@b ran"
    assert kept(said) == {"models/b/notes.txt": reason, "models/b/weights.bin": reason}


def test_lines_of_gitignore_go_with_the_outputs(project: Workspace) -> None:
    assert (project.path / "models/.gitignore").read_text() == "/a\n/b\n"
    tasks(project, "a")
    said = cleaned(project, "--yes")
    assert said["gitignore"] == ["data/b", "models/b"]
    assert (project.path / "models/.gitignore").read_text() == "/a\n"
    tasks(project)
    edit_stages(project, lambda stages: stages.pop("report"))
    cleaned(project, "--yes")
    assert not (project.path / "models").exists() and entries(project) == set()


def test_a_path_outside_is_never_touched(project: Workspace) -> None:
    outside = project.path.parent / "outside.txt"
    outside.write_text("mine\n")
    lock = project.path / "dvc.lock"
    text = lock.read_text()
    for path in ("../outside.txt", str(outside)):
        md5 = md5_of(outside)
        entry = f"  gone:\n    cmd: x\n    outs:\n    - path: {path}\n      md5: {md5}\n"
        lock.write_text(text + entry)
        said = cleaned(project, "--yes")
        assert kept(said) == {path: "is outside of the project"} and said["stages"] == ["gone"]
        assert outside.exists() and lock.read_text() == text


def test_an_edit_while_it_asks_is_kept(
    project: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks(project, "a")

    def answer() -> bool:
        (project.path / "models/b/weights.bin").write_text("mine\n")
        return True

    monkeypatch.setattr(command, "_agreed", answer)
    assert command.main(yes=False, as_json=False) == 0
    assert (project.path / "models/b/weights.bin").read_text() == "mine\n"
    assert capsys.readouterr().out.splitlines()[-1].endswith("kept 1 path")


def test_a_change_of_the_pipeline_while_it_asks_stops_it(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks(project, "a")

    def answer() -> bool:
        tasks(project, "a", "b")
        return True

    monkeypatch.setattr(command, "_agreed", answer)
    with pytest.raises(StageError, match="the pipeline changed"):
        command.main(yes=False, as_json=False)
    assert (project.path / "models/b/weights.bin").exists()


def test_while_a_stage_runs_nothing_is_removed(project: Workspace) -> None:
    tasks(project, "a")
    held = {"write": {str(project.path / "models/b"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    (project.path / ".dvc/tmp/rwlock").write_text(json.dumps(held | {"read": {}}))
    done = project.run("tandem", "clean-up", "--yes", check=False)
    assert (
        done.returncode == 2
        and "another command is running in this project; wait for it to end" in done.stderr
    )
    assert (project.path / "models/b/weights.bin").exists()


def test_after_a_crash_the_rest_is_still_found(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks(project, "a")

    def crash(*_: object) -> None:
        raise OSError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(removal, "remove_ignore_line", crash)
        with pytest.raises(OSError, match="the power fails"):
            removal.remove(examine())
    assert entries(project) >= {"rows@b", "train@b"}
    said = cleaned(project, "--yes")
    assert said["removed"] and entries(project) == {"rows@a", "train@a", "report"}


KEPT = ("code", "fetch", "clean", "split")
"""The stages that `with_records` keeps; an engine runs them within seconds."""


@pytest.fixture(scope="module")
def with_records(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The data stages of two of Tandem's tasks, with records, run with params.smoke.yaml."""
    workspace = clone(tmp_path_factory.mktemp("records") / "project")
    workspace.run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    yaml = YAML()
    dag = yaml.load(workspace.path / "dvc.yaml")
    dag["stages"] = {name: dag["stages"][name] for name in KEPT}
    dag["stages"]["code"]["outs"] = [f"workflow/code/{name}" for name in KEPT[1:]]
    dag["artifacts"] = {task: {"path": f"data/split/{task}"} for task in ("intent", "sentiment")}
    yaml.dump(dag, workspace.path / "dvc.yaml")
    leave_tasks(workspace, "intent", "sentiment")
    for name in ("benchmarks", "reports", "docs", "tests"):
        shutil.rmtree(workspace.path / name)
    workspace.repro()
    assert workspace.run("tandem", "audit").returncode == 0
    return workspace


@pytest.fixture
def recorded(with_records: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    copied = copy(with_records, tmp_path / "project")
    monkeypatch.chdir(copied.path)
    return copied


def leave_tasks(workspace: Workspace, *names: str, **sections: Any) -> None:
    """Edit params.yaml: keep only these tasks, replace sections, and remove the preferences."""
    yaml = YAML(typ="safe")
    content = yaml.load(workspace.path / "params.yaml") | sections
    for name in {*content["tasks"]} - {*names}:
        del content[name], content["augmentation_models"][name]
    for name in names:
        content[name] = {section: content[name][section] for section in KEPT[1:]}
        content[name]["split"].pop("judge_holdout", None)
    content |= {"tasks": [*names], "preferences": {}}
    yaml.dump(content, workspace.path / "params.yaml")


def executions(workspace: Workspace) -> list[str]:
    return [run["stage"] for run in cost.runs(workspace.path)]


def test_the_audit_agrees_after_a_task_was_replaced_by_own_rows(recorded: Workspace) -> None:
    """Replace the rows of one task with the user's own, and remove the other task."""
    films = ("gem", "bore", "thrill", "mess", "delight", "chore", "wonder", "waste")
    moods = ("quietly moving", "badly written", "finely acted", "poorly cut", "well paced")
    rows = [
        f"A {film} of a movie that is {mood},{'positive' if at % 2 else 'negative'}"
        for film in films
        for at, mood in enumerate(moods)
    ]
    (recorded.path / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    digest = hashlib.sha256((recorded.path / "reviews.csv").read_bytes()).hexdigest()
    files = [{"path": "reviews.csv", "sha256": digest}]
    source = {"kind": "files", "format": "csv", "files": files}
    content = YAML(typ="safe").load((recorded.path / "params.yaml").read_text())["sentiment"]
    content["fetch"]["source"] = source
    leave_tasks(recorded, "sentiment", sentiment=content)
    recorded.repro()
    assert recorded.changed() == set()
    audit = recorded.run("tandem", "audit", check=False)
    faults = audit.stdout.splitlines()
    assert audit.returncode == 1 and any(
        line.startswith("dvc.lock: split@intent") for line in faults
    )
    ran = executions(recorded)
    said = cleaned(recorded, "--yes")
    assert said["stages"] == ["fetch@intent", "clean@intent", "split@intent"]
    assert said["artifacts"] == ["intent"] and not said["kept"]
    assert set(paths_of(said)) == {
        path.format(stage)
        for stage in ("fetch", "clean", "split")
        for path in ("reports/lineage/{}/intent.json", "reports/details/{}/intent.json")
    } | {"data/raw/intent", "data/clean/intent", "data/split/intent"}
    assert recorded.run("tandem", "audit").returncode == 0
    assert recorded.changed() == recorded.planned() == set()
    recorded.repro()
    assert executions(recorded) == ran


def test_a_record_alone_is_enough(recorded: Workspace) -> None:
    """The user has already removed the entries of dvc.lock by hand."""
    leave_tasks(recorded, "sentiment")
    recorded.repro()
    lock = recorded.path / "dvc.lock"
    stages = [name for name in entries(recorded) if name.endswith("@intent")]
    lock.write_text(edits.without_entries(lock.read_text(), stages))
    said = cleaned(recorded, "--yes")
    assert said["stages"] == [] and len(said["outputs"]) == 9
    assert recorded.run("tandem", "audit").returncode == 0
