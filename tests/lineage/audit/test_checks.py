"""The audit reports each changed file, param or package, and nothing for an unchanged workspace."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from engines.workspace import Workspace
from lineage.changes import (
    DAG,
    FOLDER,
    LOCK,
    PARAMS,
    STAGES,
    flip,
    remove,
    replace,
    single_changes,
    truncate,
    write_lock,
)
from lineage.conftest import commit
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io, provenance
from tandem.lineage import graph, revisions
from tandem.lineage.audit import checks, command


def findings() -> list[str]:
    return [str(finding) for finding in checks.run().findings]


def test_an_unchanged_project_agrees(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("all agree: 4 stages, ")


def test_stages_of_the_user_without_records_are_named_and_do_not_stop_the_audit(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml, width = YAML(), "width: 3\n"
    Path("own").mkdir()
    Path("own.yaml").write_text(width)
    content = yaml.load(DAG)
    content["stages"]["several"] = {
        "cmd": ["cp own.yaml a.txt", "cp own.yaml b.txt"],
        "params": [{"own.yaml": ["width"]}],
        "outs": ["a.txt", "b.txt"],
    }
    content["stages"]["inside"] = {
        "cmd": "cp ../a.txt c.txt",
        "wdir": "own",
        "deps": ["../a.txt"],
        "outs": ["c.txt"],
    }
    yaml.dump(content, DAG)
    project.run("dvc", "repro", "--quiet", "several", "inside")
    assert Path("own/c.txt").read_text() == width
    assert cli.main(["audit"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("all agree: 4 stages, ")
    unchecked = "not checked: 2 stages without a declared record: several, inside"
    assert output.endswith(f"; {unchecked}\n")


def test_findings_can_be_printed_as_json(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/clean/intent/rows.parquet").write_bytes(b"PAR1")
    assert cli.main(["audit", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["findings"] == [
        {
            "where": "data/clean/intent/rows.parquet",
            "problem": "differs from what clean@intent wrote",
        }
    ]


@pytest.mark.slow
def test_each_single_change_is_reported_by_name(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = list(single_changes(chain.path))
    missed, misnamed = [], []
    here = tmp_path / "project"
    shutil.copytree(chain.path, here, ignore=shutil.ignore_patterns(".git", ".dvc"))
    monkeypatch.chdir(here)
    before = snapshot()
    for title, edit in changes:
        name, lines = edit(), findings()
        if not lines:
            missed.append(title)
        elif not any(name in line for line in lines):
            misnamed.append(f"{title} ({name}): {lines}")
        restore(before)
    assert findings() == []
    assert not missed
    assert not misnamed
    assert len(changes) >= 120


Snapshot = dict[Path, tuple[int, bytes]]


def snapshot() -> Snapshot:
    """Path → modification time and content of each file in the current folder."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in all_files()}


def restore(before: Snapshot) -> None:
    """Undo all changes to files in the current folder since `before`."""
    for path in all_files() - before.keys():
        path.unlink()
    for path, (written, content) in before.items():
        if not path.exists() or path.stat().st_mtime_ns != written:
            path.write_bytes(content)
            os.utime(path, ns=(written, written))


def all_files() -> set[Path]:
    return {path for path in Path().rglob("*") if path.is_file()}


Action = Callable[[Workspace], object]


def harmless() -> Iterator[tuple[str, Action]]:
    """Actions that change nothing that the audit compares."""
    for stage in STAGES:
        yield f"{FOLDER[stage]} not pulled", remove_folder(FOLDER[stage])
    yield "nothing pulled", remove_folder("data")
    yield "an empty cache", remove_folder(".dvc/cache")
    yield "all files touched", touch
    yield "dvc gc", lambda w: w.run("dvc", "gc", "--workspace", "--force")
    yield "run again", lambda w: w.repro()
    yield "run again by force", lambda w: w.repro("--force", "split@intent")
    yield "checked out again", lambda w: w.run("dvc", "checkout", "--force")
    yield "bytecode and engines' own files", litter
    yield "another order of stages in dvc.lock", reorder
    yield "a file of the user", lambda _: Path("notes.txt").write_text("mine")
    yield "data of the user", lambda _: Path("data/mine.csv").write_text("a,b\n")
    yield "read-only data", protect
    yield "a new comment in params.yaml", comment(PARAMS)
    yield "a new comment in dvc.yaml", comment(DAG)
    yield "a new commit", lambda w: w.run("git", "commit", "--allow-empty", "-q", "-m", "more")


def remove_folder(folder: str) -> Action:
    return lambda _: shutil.rmtree(folder)


def touch(workspace: Workspace) -> None:
    for path in workspace.path.rglob("*"):
        os.utime(path)


def protect(workspace: Workspace) -> None:
    for path in workspace.path.rglob("*.parquet"):
        path.chmod(0o444)


def comment(path: Path) -> Action:
    return lambda _: path.write_text(path.read_text() + "# mine\n")


def litter(workspace: Workspace) -> None:
    folder = Path("src/tandem/core/__pycache__")
    folder.mkdir(exist_ok=True)
    (folder / "io.cpython-311.pyc").write_bytes(b"x")
    Path("data/raw/intent/.snakemake_timestamp").write_text("")


def reorder(workspace: Workspace) -> None:
    yaml = YAML()
    content = yaml.load(LOCK)
    content["stages"] = dict(sorted(content["stages"].items(), reverse=True))
    yaml.dump(content, LOCK)


@pytest.mark.slow
def test_harmless_actions_raise_no_alarm(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = {}
    for number, (title, action) in enumerate(harmless()):
        here = tmp_path / f"harmless {number}"
        shutil.copytree(chain.path, here)
        monkeypatch.chdir(here)
        env = {key: value.replace(str(chain.path), str(here)) for key, value in chain.env.items()}
        action(Workspace(here, env))
        if lines := findings():
            alarms[title] = lines
    assert not alarms


def test_a_fresh_clone_agrees_before_and_after_a_pull(
    project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("dvc", "remote", "add", "--default", "here", str(tmp_path / "remote"))
    commit(project, "a remote")
    project.run("dvc", "push", "--quiet")
    fresh = Workspace(tmp_path / "fresh", project.env)
    project.run("git", "clone", "--quiet", ".", str(fresh.path))
    monkeypatch.chdir(fresh.path)
    done = checks.run()
    assert not done.findings and {*FOLDER.values()} <= {*done.absent}
    fresh.run("dvc", "pull", "--quiet", "data/clean/intent")
    done = checks.run()
    assert not done.findings and "data/clean/intent" not in done.absent
    fresh.run("dvc", "pull", "--quiet")
    done = checks.run()
    assert not done.findings and not done.absent


def test_a_lock_forged_for_a_changed_artifact_is_found(project: Workspace) -> None:
    path = Path("data/split/intent/test.parquet")
    path.write_bytes(Path("data/split/intent/train.parquet").read_bytes())
    project.run("dvc", "commit", "--force", "split@intent")
    assert json.loads(project.run("dvc", "status", "--json").stdout) == {}
    lines = findings()
    problem = "data/split/intent/test.parquet: differs from what split@intent wrote"
    assert any(problem in line for line in lines)
    assert any("dvc.lock: split@intent: data/split/intent in outs" in line for line in lines)


def test_an_older_record_under_a_newer_lock_is_found(project: Workspace) -> None:
    record = Path("reports/lineage/clean/intent.json")
    older = record.read_bytes()
    PARAMS.write_text(PARAMS.read_text().replace("max_words: 60", "max_words: 59"))
    project.repro()
    assert findings() == []
    record.write_bytes(older)
    assert any(line.startswith("params.yaml: intent.clean") for line in findings())
    assert any("reports/lineage/clean/intent.json in outs" in line for line in findings())


def test_a_revision_is_audited_without_its_data(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    PARAMS.write_text(PARAMS.read_text().replace("max_words: 60", "max_words: 59"))
    assert cli.main(["audit"]) == 1
    assert cli.main(["audit", "--rev", "HEAD"]) == 0
    shutil.rmtree("data")
    shutil.rmtree(".dvc/cache")
    capsys.readouterr()
    assert cli.main(["audit", "--rev", "HEAD"]) == 0
    assert "6 outputs missing locally" in capsys.readouterr().out


def test_a_damaged_cache_is_found_by_the_audit_of_a_revision(project: Workspace) -> None:
    with revisions.files_of("HEAD") as root:
        assert not checks.run(root, command.in_cache(root)).findings
        digest = graph.read(root).expected_digest("data/raw/intent/rows.parquet")
        assert digest is not None
        cached = command.CACHE / digest.md5[:2] / digest.md5[2:]
        cached.chmod(0o644)
        cached.write_bytes(b"PAR1")
        places = {f.where for f in checks.run(root, command.in_cache(root)).findings}
        assert "data/raw/intent/rows.parquet" in places


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bundle", "b"], "--bundle FILE and --key PUBLIC_KEY must be given together"),
        (["--rev", "HEAD", "--rerun", "1"], "--rev cannot be combined"),
        (["--rerun", "two"], "'two' is not a valid whole number"),
        (["--rev", "nowhere"], "there is no revision 'nowhere'"),
    ],
)
def test_wrong_options_are_reported_in_one_line(
    options: list[str], message: str, project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_stages_that_are_run_again_give_the_same_bytes(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", "--rerun", "4"]) == 0
    output = capsys.readouterr().out
    for stage in STAGES:
        assert f"{stage}@intent: wrote the recorded bytes in 2 outputs" in output


@pytest.fixture
def signed(project: Workspace, tmp_path: Path) -> list[str]:
    """The arguments for an audit of `project` against its bundle, signed with an OpenSSH key."""
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    bundle = tmp_path / "attestation.jsonl"
    assert cli.main(["attest", str(private), "--to", str(bundle)]) == 0
    return ["audit", "--bundle", str(bundle), "--key", str(public)]


def test_a_signed_revision_agrees_in_a_clean_clone(
    signed: list[str], project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(signed) == 0
    project.run("git", "clone", "--quiet", ".", str(tmp_path / "clean"))
    monkeypatch.chdir(tmp_path / "clean")
    assert cli.main(signed) == 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_stages_that_ran_after_signing_are_reported(
    stage: str, signed: list[str], project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The artifact, its record and dvc.lock agree with each other, but not with the bundle."""
    package = {"fetch": "sources", "clean": "text/filters", "split": "splitting"}[stage]
    Path(f"src/tandem/{package}/values.json").write_text("[]")
    project.repro()
    assert findings() == []
    assert cli.main(signed) == 1
    output = capsys.readouterr().out
    assert f"reports/lineage/{stage}/intent.json: differs from what was signed" in output
    assert "dvc.lock: differs from what was signed" in output


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (flip("data/split/intent/test.parquet", 99), "data/split/intent/test.parquet"),
        (remove("reports/lineage/clean/intent.json"), "reports/lineage/clean/intent.json"),
        (truncate("reports/lineage/clean/intent.json"), "reports/lineage/clean/intent.json"),
        (replace("requirements.lock", "zipp==", "zipp==9"), "requirements.lock"),
    ],
)
def test_files_that_changed_after_signing_are_reported(
    edit: Callable[[], str],
    name: str,
    signed: list[str],
    project: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit()
    assert cli.main(signed) == 1
    assert any(line.startswith(name) for line in capsys.readouterr().out.splitlines())


def test_a_changed_bundle_is_reported_in_one_line(
    signed: list[str], project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(signed[2])
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    assert cli.main(signed) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_new_seed_is_no_finding_for_stages_without_randomness(project: Workspace) -> None:
    seed = "  seed: 13\n  threads"
    PARAMS.write_text(PARAMS.read_text().replace(seed, seed.replace("13", "14")))
    project.repro()
    assert findings() == []


def test_invalid_params_are_a_finding(project: Workspace) -> None:
    PARAMS.write_text(PARAMS.read_text().replace("  threads: ", "  threads: -", 1))
    assert any("runtime.threads" in line for line in findings())


def test_an_extra_metrics_file_is_reported(published: Path) -> None:
    records = graph.read()

    def unexpected() -> list[str]:
        reader = checks.on_disk(published)
        return [f.where for f in checks._inputs(records.records["report"], records, reader)]

    assert unexpected() == []
    Path("reports/details/evaluate/intent-more.json").write_text("{}")
    assert unexpected() == ["reports/details/evaluate/intent-more.json"]


@pytest.mark.parametrize("md5", ["", "..", "..//etc/hostname", "../../../../../etc/hostname"])
def test_no_file_outside_of_the_cache_is_read(md5: str) -> None:
    assert command._cached(md5) is None


@pytest.mark.slow
def test_a_record_cannot_name_the_command_that_is_run(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Path("reports/lineage/clean/intent.json")
    text = record.read_text()
    record.write_text(text.replace('"tandem clean intent"', '"tandem check"'))
    assert cli.main(["audit", "--rerun", "4"]) == 1
    output = capsys.readouterr().out
    assert "clean@intent: wrote" not in output and "only 3 stages could be rerun" in output


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (replace("dvc.lock", "nfiles: 3\n", "nfiles: 3.0\n"), "dvc.lock: "),
        (replace("dvc.lock", "    cmd: tandem clean", "    made: null\n    cmd: tandem clean"),
         "dvc.lock: clean@intent: has an unknown key: made"),
        (replace("params.yaml", "max_words: 60", "max_words: 60.0"), "params.yaml: intent.clean"),
        (replace("dvc.lock", "  clean@intent:", "  1:"), "dvc.lock"),
    ],
)  # fmt: skip
def test_values_are_compared_with_their_types(
    edit: Callable[[], str], name: str, project: Workspace
) -> None:
    edit()
    assert any(name in line for line in findings())


def forge(change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record of the stage `clean`, and update its digest and size in dvc.lock."""
    path = Path("reports/lineage/clean/intent.json")
    old = provenance.file_digest(path)
    content = io.read_details(path)
    change(content)
    io.write_details(path, content)
    new = provenance.file_digest(path)
    lines = LOCK.read_text().replace(old.md5, new.md5).splitlines()
    index = next(number for number, line in enumerate(lines) if new.md5 in line)
    lines[index + 1] = lines[index + 1].replace(str(old.size), str(new.size))
    write_lock(lines)


def test_a_record_forged_together_with_the_lock_is_found(project: Workspace) -> None:
    forge(lambda record: record)
    assert findings() == []
    forge(lambda record: record["packages"].popitem())
    assert any("the recorded packages differ from requirements.lock" in line for line in findings())


def test_sizes_forged_within_a_folder_are_found(project: Workspace) -> None:
    def change(record: dict[str, Any]) -> None:
        one, other = record["outputs"]["data/clean/intent"]["files"].values()
        one["size"], other["size"] = other["size"], one["size"]

    forge(change)
    assert any(line.startswith("data/clean/intent/rows.parquet") for line in findings())


def test_what_a_killed_run_left_of_a_record_is_none(project: Workspace) -> None:
    Path("reports/lineage/clean/.partial-intent.json").write_text("{")
    assert findings() == []
    assert len(graph.read().records) == 4


def test_a_link_to_nothing_is_reported_in_one_line(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/raw/intent/more.parquet").symlink_to("nowhere")
    assert cli.main(["audit"]) == 2
    assert "data/raw/intent/more.parquet cannot be read" in capsys.readouterr().err
