"""The audit finds every single change and names it, and finds nothing in honest workspaces."""

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
    cut,
    drop,
    flip,
    replace,
    tampers,
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


def test_an_honest_project_agrees(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("all agree: 4 stages, ")


def test_what_is_found_comes_as_json_too(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/clean/intent/rows.parquet").write_bytes(b"PAR1")
    assert cli.main(["audit", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert found == [
        {
            "where": "data/clean/intent/rows.parquet",
            "problem": "is not what clean@intent wrote",
        }
    ]


@pytest.mark.slow
def test_each_single_change_is_found_and_named(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = list(tampers(chain.path))
    missed, unnamed = [], []
    here = tmp_path / "project"
    shutil.copytree(chain.path, here, ignore=shutil.ignore_patterns(".git", ".dvc"))
    monkeypatch.chdir(here)
    known = snapshot()
    for title, edit in changes:
        named, found = edit(), findings()
        if not found:
            missed.append(title)
        elif not any(named in line for line in found):
            unnamed.append(f"{title} ({named}): {found}")
        restore(known)
    assert findings() == []
    assert not missed
    assert not unnamed
    assert len(changes) >= 120


Snapshot = dict[Path, tuple[int, bytes]]


def snapshot() -> Snapshot:
    """When each file here was written, and what."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in all_files()}


def restore(known: Snapshot) -> None:
    """Undo what was done to files here since."""
    for path in all_files() - known.keys():
        path.unlink()
    for path, (written, content) in known.items():
        if not path.exists() or path.stat().st_mtime_ns != written:
            path.write_bytes(content)
            os.utime(path, ns=(written, written))


def all_files() -> set[Path]:
    return {path for path in Path().rglob("*") if path.is_file()}


Deed = Callable[[Workspace], object]


def honest() -> Iterator[tuple[str, Deed]]:
    """What people do to a workspace that changes nothing it says."""
    for stage in STAGES:
        yield f"{FOLDER[stage]} not pulled", away(FOLDER[stage])
    yield "nothing pulled", away("data")
    yield "an empty cache", away(".dvc/cache")
    yield "all touched", touch
    yield "dvc gc", lambda w: w.run("dvc", "gc", "--workspace", "--force")
    yield "run again", lambda w: w.repro()
    yield "run again by force", lambda w: w.repro("--force", "split@intent")
    yield "checked out again", lambda w: w.run("dvc", "checkout", "--force")
    yield "bytecode and engines' own files", litter
    yield "another order of stages in dvc.lock", reorder
    yield "a file of one's own", lambda _: Path("notes.txt").write_text("mine")
    yield "data of one's own", lambda _: Path("data/mine.csv").write_text("a,b\n")
    yield "read-only data", protect
    yield "another comment in params.yaml", comment(PARAMS)
    yield "another comment in dvc.yaml", comment(DAG)
    yield "a commit more", lambda w: w.run("git", "commit", "--allow-empty", "-q", "-m", "more")


def away(folder: str) -> Deed:
    return lambda _: shutil.rmtree(folder)


def touch(workspace: Workspace) -> None:
    for path in workspace.path.rglob("*"):
        os.utime(path)


def protect(workspace: Workspace) -> None:
    for path in workspace.path.rglob("*.parquet"):
        path.chmod(0o444)


def comment(path: Path) -> Deed:
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
def test_honest_workspaces_raise_no_alarm(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms = {}
    for number, (title, deed) in enumerate(honest()):
        here = tmp_path / f"honest {number}"
        shutil.copytree(chain.path, here)
        monkeypatch.chdir(here)
        env = {key: value.replace(str(chain.path), str(here)) for key, value in chain.env.items()}
        deed(Workspace(here, env))
        if found := findings():
            alarms[title] = found
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


def test_a_lock_forged_to_a_changed_artifact_is_found(project: Workspace) -> None:
    path = Path("data/split/intent/test.parquet")
    path.write_bytes(Path("data/split/intent/train.parquet").read_bytes())
    project.run("dvc", "commit", "--force", "split@intent")
    assert json.loads(project.run("dvc", "status", "--json").stdout) == {}
    found = findings()
    assert any("data/split/intent/test.parquet: is not what split@intent wrote" in f for f in found)
    assert any("dvc.lock: split@intent: outs data/split/intent" in line for line in found)


def test_an_older_record_under_a_newer_lock_is_found(project: Workspace) -> None:
    record = Path("reports/lineage/clean/intent.json")
    older = record.read_bytes()
    PARAMS.write_text(PARAMS.read_text().replace("max_words: 60", "max_words: 59"))
    project.repro()
    assert findings() == []
    record.write_bytes(older)
    assert any(line.startswith("params.yaml: intent.clean") for line in findings())
    assert any("outs reports/lineage/clean/intent.json" in line for line in findings())


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
    assert "6 outputs not here" in capsys.readouterr().out


def test_a_damaged_cache_is_found_by_the_audit_of_a_revision(project: Workspace) -> None:
    with revisions.files_of("HEAD") as root:
        look = command.in_cache(root)
        assert not checks.run(root, look).findings
        digest = graph.read(root).expected_digest("data/raw/intent/rows.parquet")
        assert digest is not None
        cached = command.CACHE / digest.md5[:2] / digest.md5[2:]
        cached.chmod(0o644)
        cached.write_bytes(b"PAR1")
        found = {each.where for each in checks.run(root, command.in_cache(root)).findings}
        assert "data/raw/intent/rows.parquet" in found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bundle", "b"], "--bundle FILE and --key PUBLIC_KEY go together"),
        (["--rev", "HEAD", "--rerun", "1"], "--rev goes with neither"),
        (["--rerun", "two"], "--rerun takes a number of stages, not 'two'"),
        (["--rev", "nowhere"], "there is no revision 'nowhere' here"),
    ],
)
def test_wrong_options_are_one_line(
    options: list[str], said: str, project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", *options]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_stages_run_anew_give_the_same_bytes(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", "--rerun", "4"]) == 0
    said = capsys.readouterr().out
    for stage in STAGES:
        assert f"{stage}@intent: the same bytes in 2 outputs" in said


@pytest.fixture
def signed(project: Workspace, tmp_path: Path) -> list[str]:
    """The options that audit `project` against its bundle, signed with a key in OpenSSH's form."""
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
def test_what_was_run_again_after_signing_is_named(
    stage: str, signed: list[str], project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Artifact, record and lock all agree with each other; the signature alone tells."""
    code = Path(f"src/tandem/stages/{stage}.py")
    code.write_text(code.read_text() + "_MORE = 1\n")
    project.repro()
    assert findings() == []
    assert cli.main(signed) == 1
    said = capsys.readouterr().out
    assert f"reports/lineage/{stage}/intent.json: is not what was signed" in said
    assert "dvc.lock: is not what was signed" in said


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (flip("data/split/intent/test.parquet", 99), "data/split/intent/test.parquet"),
        (drop("reports/lineage/clean/intent.json"), "reports/lineage/clean/intent.json"),
        (cut("reports/lineage/clean/intent.json"), "reports/lineage/clean/intent.json"),
        (replace("requirements.lock", "zipp==", "zipp==9"), "requirements.lock"),
    ],
)
def test_what_was_changed_after_signing_is_named(
    edit: Callable[[], str],
    named: str,
    signed: list[str],
    project: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit()
    assert cli.main(signed) == 1
    assert any(line.startswith(named) for line in capsys.readouterr().out.splitlines())


def test_a_changed_bundle_is_one_line(
    signed: list[str], project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(signed[2])
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    assert cli.main(signed) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_another_seed_is_no_fault_of_stages_that_draw_nothing(project: Workspace) -> None:
    seed = "  seed: 13\n  threads"
    PARAMS.write_text(PARAMS.read_text().replace(seed, seed.replace("13", "14")))
    project.repro()
    assert findings() == []


def test_params_that_no_project_has_are_a_finding(project: Workspace) -> None:
    PARAMS.write_text(PARAMS.read_text().replace("  threads: ", "  threads: -", 1))
    assert any("runtime.threads" in line for line in findings())


def test_a_file_more_among_the_metrics_is_named(published: Path) -> None:
    known = graph.read()

    def strays() -> list[str]:
        seen = checks._CachedReader(checks.on_disk(published))
        return [each.where for each in checks._inputs(known.records["report"], known, seen)]

    assert strays() == []
    Path("reports/details/evaluate/intent-more.json").write_text("{}")
    assert strays() == ["reports/details/evaluate/intent-more.json"]


@pytest.mark.parametrize("md5", ["", "..", "..//etc/hostname", "../../../../../etc/hostname"])
def test_nothing_beyond_the_cache_is_read(md5: str) -> None:
    assert command._object(md5) is None


@pytest.mark.slow
def test_a_record_does_not_say_what_is_run_anew(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Path("reports/lineage/clean/intent.json")
    text = record.read_text()
    record.write_text(text.replace('"tandem clean intent"', '"tandem check"'))
    assert cli.main(["audit", "--rerun", "4"]) == 1
    said = capsys.readouterr().out
    assert "clean@intent: the same" not in said and "only 3 stages have" in said


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (replace("dvc.lock", "nfiles: 3\n", "nfiles: 3.0\n"), "dvc.lock: "),
        (replace("dvc.lock", "    cmd: tandem clean", "    made: null\n    cmd: tandem clean"),
         "dvc.lock: clean@intent: has made"),
        (replace("params.yaml", "max_words: 60", "max_words: 60.0"), "params.yaml: intent.clean"),
        (replace("dvc.lock", "  clean@intent:", "  1:"), "dvc.lock"),
    ],
)  # fmt: skip
def test_values_are_compared_to_the_last_type(
    edit: Callable[[], str], named: str, project: Workspace
) -> None:
    edit()
    assert any(named in line for line in findings())


def forge(change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record of clean, and dvc.lock to match."""
    path = Path("reports/lineage/clean/intent.json")
    old = provenance.file_digest(path)
    content = io.read_details(path)
    change(content)
    io.write_details(path, content)
    new = provenance.file_digest(path)
    lines = LOCK.read_text().replace(old.md5, new.md5).splitlines()
    at = next(number for number, line in enumerate(lines) if new.md5 in line)
    lines[at + 1] = lines[at + 1].replace(str(old.size), str(new.size))
    write_lock(lines)


def test_a_record_forged_together_with_the_lock_is_found(project: Workspace) -> None:
    forge(lambda record: record)
    assert findings() == []
    forge(lambda record: record["packages"].popitem())
    assert any("its packages are not those of requirements.lock" in f for f in findings())


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


def test_a_link_to_nothing_is_one_line(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/raw/intent/more.parquet").symlink_to("nowhere")
    assert cli.main(["audit"]) == 2
    assert "data/raw/intent/more.parquet cannot be read" in capsys.readouterr().err
