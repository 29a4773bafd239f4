"""`tandem doctor` reports problems and fixes; runs and audits report the kernel fingerprint."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schemas

from tandem import cli
from tandem.core import params
from tandem.core.errors import StageError
from tandem.engines import cost
from tandem.machine import fingerprint
from tandem.machine.fingerprint import Fingerprint
from tandem.patches import mkl
from tandem.workspace import doctor

ROOT = Path(__file__).parents[2]
DVC = str(Path(sys.executable).parent / "dvc")
KERNELS = {"linear/head": "5ea936223e29", "vector/exp": "0123456789ab"}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Git and DVC project with the real params.yaml, dvc.yaml and requirements.lock."""
    folder = tmp_path_factory.mktemp("start")
    for name in ("params.yaml", "pyproject.toml", "requirements.lock", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for command in (
        ["git", "init", "-q"],
        ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-q",
         "--allow-empty", "-m", "Start"],
        [DVC, "init", "-q"],
        [DVC, "config", "cache.type", "reflink,copy"],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder


@pytest.fixture
def project(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project `start`, on a machine whose kernels have the digests `KERNELS`."""
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fingerprint, "_compute", lambda runtime: KERNELS)
    return tmp_path


def lines(check: str) -> list[doctor.Line]:
    """The results of one check."""
    return [line for line in doctor.examine() if line.check == check]


def problem(check: str) -> str:
    """The message of the one problem that a check reports."""
    (line,) = [line for line in lines(check) if line.state == "problem"]
    assert "\n" not in line.message
    return line.message


def commit(**changes: Any) -> Fingerprint:
    """Record the fingerprint of this machine, with some values replaced."""
    this = fingerprint.current(params.project().runtime)
    recorded = this.model_copy(update={"recorded": True} | changes)
    fingerprint._write(fingerprint.FOLDER / "known.json", recorded)
    return recorded


def test_a_machine_without_problems(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit()
    code = cli.main(["doctor", "--json"], in_child=True)
    answer = schemas.valid("doctor", capsys.readouterr().out)
    assert {line["check"] for line in answer} == {
        "python", "packages", "git", "dvc", "disk", "mkl", "kernels"
    }  # fmt: skip
    assert [line for line in answer if line["state"] == "problem"] == []
    assert code == 0
    assert any(
        line["state"] == "note" and "no default remote" in line["message"] for line in answer
    )


def test_a_kernel_of_other_bits_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(kernels=KERNELS | {"vector/exp": "ba9876543210"})
    assert "1 of 2 kernels are not bit-identical to those of known" in problem("kernels")
    assert "vector/exp" in problem("kernels")
    assert cli.main(["doctor"], in_child=True) == 1
    assert "problem kernels: " in capsys.readouterr().out
    (line,) = fingerprint.explanation()
    assert line == (
        "this CPU's results differ bit for bit from the recorded ones in these kernels: vector/exp"
    )


def test_another_kind_with_the_same_bits_is_named(project: Path) -> None:
    fingerprint.add("mine", fingerprint.current(params.project().runtime))
    commit(kernels={"vector/exp": "ba9876543210"})
    fingerprint._write(
        fingerprint.FOLDER / "mine.json", fingerprint.current(params.project().runtime)
    )
    assert "the same results as mine" in problem("kernels")


def test_the_same_bits_need_no_explanation(project: Path) -> None:
    commit()
    assert fingerprint.explanation() == []


def test_other_versions_or_pins_are_named_and_not_compared(project: Path) -> None:
    this = commit()
    commit(versions=this.versions | {"torch": "1.0"}, kernels={"vector/exp": "other"})
    assert "torch is" in problem("kernels")
    assert "but 1.0 is recorded" in problem("kernels")
    commit(pins=this.pins | {"OMP_NUM_THREADS": "64"})
    assert "OMP_NUM_THREADS is 1, but 64 is recorded" in problem("kernels")


def test_a_new_kind_writes_its_file_and_only_the_first_is_recorded(project: Path) -> None:
    assert "doctor --add" in problem("kernels")
    assert cli.main(["doctor", "--add", "first"], in_child=True) == 0
    assert cli.main(["doctor", "--add", "second"], in_child=True) == 0
    committed = fingerprint.committed()
    assert [committed[name].recorded for name in ("first", "second")] == [True, False]
    assert lines("kernels")[0].state == "ok"
    assert cli.main(["doctor", "--add", "../x"], in_child=True) == 2


def test_a_damaged_fingerprint_is_reported_in_one_line(project: Path) -> None:
    commit()
    Path(fingerprint.FOLDER, "known.json").write_text("{")
    assert "known.json is not a fingerprint" in problem("kernels")


def test_kernels_that_cannot_be_run_are_reported_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit()
    shutil.rmtree("cache")

    def broken(_: object) -> dict[str, str]:
        raise StageError("the kernels cannot be run: killed")

    monkeypatch.setattr(fingerprint, "_compute", broken)
    assert problem("kernels") == "the kernels cannot be run: killed"
    assert "cannot tell" in fingerprint.explanation()[0]


def test_packages_in_other_versions_than_locked(project: Path) -> None:
    lock = Path("requirements.lock")
    lock.write_text(lock.read_text().replace("\nnumpy==", "\nnumpy==0.0.") + "nothing-here==1.0\n")
    assert "numpy" in problem("packages")
    assert "nothing-here missing" in problem("packages")
    assert "make setup" in problem("packages")


def test_a_python_that_is_too_old(project: Path) -> None:
    pyproject = Path("pyproject.toml")
    pyproject.write_text(pyproject.read_text().replace('">=3.11"', '">=9.9"'))
    assert "requires >=9.9" in problem("python")


def test_git_that_is_missing_or_refuses(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert f"git config --global --add safe.directory {project}" in problem("git")
    monkeypatch.setattr("tandem.workspace.doctor.shutil.which", lambda _: None)
    assert "not installed" in problem("git")


def test_a_cache_that_makes_outputs_read_only(project: Path) -> None:
    subprocess.run([DVC, "config", "cache.type", "hardlink"], check=True)
    assert "dvc config cache.type reflink,copy" in problem("dvc")


def test_a_cache_that_cannot_be_written_to(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tandem.workspace.doctor.tempfile.TemporaryFile", refused)
    assert "cannot be written to (Permission denied)" in problem("dvc")


def test_a_folder_that_is_not_a_dvc_project(project: Path) -> None:
    shutil.rmtree(".dvc")
    assert "dvc init" in problem("dvc")


def test_a_remote_is_checked_if_it_is_a_folder(project: Path) -> None:
    subprocess.run([DVC, "remote", "add", "-q", "-d", "shared", str(project / "shared")])
    assert "cannot be read: mount or create it" in problem("dvc")
    (project / "shared").mkdir()
    assert [line.state for line in lines("dvc")] == ["ok", "ok"]
    subprocess.run([DVC, "remote", "modify", "-q", "shared", "url", "s3://bucket/x"])
    assert [line.state for line in lines("dvc")] == ["ok", "note"]


def test_a_full_disk(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", 1e18)
    assert "GB free" in problem("disk")


def test_a_dispatch_that_cannot_be_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "it was tested with torch 2.13.0, but 1.0 is installed"
    monkeypatch.setattr(mkl, "unavailable", lambda: reason)
    assert "tested with torch 2.13.0" in problem("mkl")


def test_a_run_logs_the_digest_if_it_was_computed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(__import__("sys").modules, "tandem.modeling.seeding", raising=False)
    assert fingerprint.for_log() is None  # data stages do not compute the fingerprint
    this = fingerprint.current(params.project().runtime)
    with cost.log_cost("split", "intent"):
        pass
    (run,) = cost.runs()
    assert run["kernels"] == this.digest
