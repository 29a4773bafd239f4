"""The stage server runs the stages of Snakemake jobs; without it, a job runs its stage itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.made_up import executed, make, stage
from engines.workspace import Workspace

from tandem.engines import job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no server"),
]
SHOW = "ps -o ppid= -p $PPID >> parents.log"
"""A shell command that logs the parent of the DVC process: the server, or the shell of a job."""


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A project with stages one → two → three; `one` waits until a file `go` exists."""
    wait = "touch started && while ! test -e go; do sleep 0.05; done && cat in.txt > one.txt"
    stages = {
        "one": stage(f"{SHOW} && {wait}", ["in.txt"], ["one.txt"]),
        "two": stage(f"{SHOW} && cat one.txt > two.txt", ["one.txt"], ["two.txt"]),
        "three": stage(f"{SHOW} && cat two.txt > three.txt", ["two.txt"], ["three.txt"]),
    }
    return make(tmp_path / "project", stages, **{"in.txt": "first\n"})


def start(project: Workspace) -> "subprocess.Popen[str]":
    """Start a run, and wait until its stage `one` has started."""
    process = subprocess.Popen(
        ["snakemake", "-c2"], cwd=project.path, env=project.env, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    wait_until((project.path / "started").exists)
    return process


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def parents(project: Workspace) -> list[int]:
    """The process ids that the stages have logged."""
    return [int(line) for line in (project.path / "parents.log").read_text().split()]


def test_all_jobs_are_children_of_one_server_and_write_the_lock_of_dvc(project: Workspace) -> None:
    (project.path / "go").touch()
    project.snakemake("-c2")
    assert len(set(parents(project))) == 1
    assert executed(project) == ["one", "three", "two"] and project.changed() == set()
    lock = (project.path / "dvc.lock").read_bytes()
    project.repro("--force", plain=True)
    assert (project.path / "dvc.lock").read_bytes() == lock


def test_a_run_continues_without_a_killed_server(project: Workspace) -> None:
    process = start(project)
    (server,) = parents(project)
    os.kill(server, signal.SIGKILL)
    (project.path / "go").touch()
    assert process.wait(timeout=120) == 0
    assert executed(project) == ["one", "three", "two"]
    assert server not in parents(project)[1:]
    assert project.changed() == set() and project.planned() == set()


def test_jobs_end_with_a_killed_run(project: Workspace) -> None:
    process = start(project)
    (server,) = parents(project)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not Path(f"/proc/{server}").exists())
    (project.path / "go").touch()
    time.sleep(1)
    assert executed(project) == []
    project.snakemake("-c2", "--nolock")
    assert executed(project) == ["one", "three", "two"] and project.changed() == set()


def test_ctrl_c_ends_the_run_and_the_stage(project: Workspace) -> None:
    process = start(project)
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    (project.path / "go").touch()
    assert process.returncode and "Traceback" not in output
    assert executed(project) == [] and not (project.path / "one.txt").exists()
    project.snakemake("-c2")
    assert executed(project) == ["one", "three", "two"]


def test_a_stage_edited_during_the_run_is_read_again(project: Workspace) -> None:
    process = start(project)
    text = (project.path / "dvc.yaml").read_text()
    (project.path / "dvc.yaml").write_text(text.replace("cat two.txt", "cat two.txt two.txt"))
    (project.path / "go").touch()
    assert process.wait(timeout=120) == 0
    assert (project.path / "three.txt").read_text() == "first\nfirst\n"
    assert "cat two.txt two.txt" in (project.path / "dvc.lock").read_text()


def test_the_run_lock_is_held_until_the_run_ends(project: Workspace) -> None:
    process = start(project)
    acquire = "from tandem.engines import locks; locks.acquire_run_lock()"
    second = project.run(sys.executable, "-c", acquire, check=False)
    assert "another snakemake is running in this folder" in second.stderr
    (project.path / "go").touch()
    assert process.wait(timeout=120) == 0
    project.run(sys.executable, "-c", acquire)


def test_a_request_is_decoded_as_it_was_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD", "a=b\nc ")
    words, folder, environment = job.read_request(job.request(("one", "two three")))
    assert words == ["one", "two three"] and folder == str(Path.cwd())
    assert environment == dict(os.environ)
