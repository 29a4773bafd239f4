"""Logs grow while stages run; progress bars are drawn only on a terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from engines.made_up import make, stage
from engines.workspace import Workspace

from tandem.core.progress import Progress
from tandem.engines import run_display, stage_output

COLUMNS = 60
WORK = """
import os, sys, time
from tandem.core.errors import TandemError, format_error
from tandem.core.progress import progress
from tandem.engines.stage_output import stage_output

def work():
    print("begin", sys.argv[1])
    with progress("count", 12, "steps") as bar:
        for step in range(12):
            time.sleep(0.15)
            bar.update(loss=1 / (step + 1))
    print("a warning", file=sys.stderr)
    while os.path.exists("wait"):
        time.sleep(0.05)
    if os.path.exists("fail"):
        raise TandemError("one clear line")
    print("result", sys.argv[1])

try:
    with stage_output():
        work()
except TandemError as error:  # as the command line does
    print(format_error(error), file=sys.stderr)
    sys.exit(2)
with open(sys.argv[1] + ".txt", "w") as out:
    out.write(open("in.txt").read())
"""
ENGINES = (["snakemake", "-c2"], ["dvc", "repro"])


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A project with two stages that do not depend on each other."""
    stages = {
        name: stage(f"{sys.executable} work.py {name}", ["in.txt"], [f"{name}.txt"])
        for name in ("one", "two")
    }
    return make(tmp_path / "project", stages, **{"in.txt": "text\n", "work.py": WORK})


def log(project: Workspace, name: str) -> str:
    path = project.path / stage_output.log_of(name)
    return path.read_text() if path.exists() else ""


def start(project: Workspace, command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command, cwd=project.path, env=project.env, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def until(there: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def on_terminal(project: Workspace, command: list[str]) -> str:
    """What a command writes to a terminal of `COLUMNS` columns."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(project.path)
        os.execvpe(command[0], command, project.env | {"TERM": "xterm"})  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    content = b""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                content += os.read(terminal, 1 << 16)
            except OSError:  # on Linux, reading at the end of a terminal's output fails
                break
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, content.decode()
    os.close(terminal)
    return content.decode()


def drawn(content: str) -> list[str]:
    """The progress lines that were drawn, without the output that replaced them."""
    pieces = content.split(stage_output.CLEAR)[1:]
    return [line for piece in pieces if (line := re.split(r"[\r\n]", piece)[0]).strip()]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda command: command[0])
def test_a_log_grows_while_its_stage_runs_and_nothing_is_drawn(
    project: Workspace, engine: list[str]
) -> None:
    (project.path / "wait").touch()
    process = start(project, engine)
    until(lambda: "a warning" in log(project, "one"))
    assert process.poll() is None
    assert log(project, "one").startswith("begin one\nprogress: count ")
    (project.path / "wait").unlink()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    for name in ("one", "two"):
        lines = log(project, name).splitlines()
        counted = [line for line in lines if line.startswith(stage_output.MARK)]
        assert lines[0] == f"begin {name}" and lines[-2:] == ["a warning", f"result {name}"]
        assert 1 <= len(counted) <= 3 and "/12 steps, loss 0." in counted[-1]
        assert f"result {name}\n" in out
    assert "a warning\n" in out + err
    assert stage_output.MARK not in out + err and "\r" not in out + err
    assert not list((project.path / stage_output.STATES).glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda command: command[0])
def test_a_failed_stage_ends_its_log_with_what_it_says_last(
    project: Workspace, engine: list[str]
) -> None:
    (project.path / "fail").touch()
    process = start(project, engine)
    out, err = process.communicate(timeout=120)
    assert process.returncode and "a warning\ntandem: one clear line\n" in log(project, "one")
    failed = {"snakemake": 2, "dvc": 1}  # Snakemake has started both stages
    assert (out + err).count("tandem: one clear line\n") == failed[engine[0]]
    assert not list((project.path / stage_output.STATES).glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES, ids=lambda command: command[0])
def test_an_interrupted_stage_ends_its_log_with_what_it_says_last(
    project: Workspace, engine: list[str]
) -> None:
    (project.path / "wait").touch()
    process = start(project, engine)
    until(lambda: "a warning" in log(project, "one"))
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode
    until(lambda: re.search("KeyboardInterrupt|interrupted", log(project, "one")))
    assert not list((project.path / stage_output.STATES).glob("*"))


@pytest.mark.slow
def test_snakemake_draws_all_that_runs_in_one_line(project: Workspace) -> None:
    lines = drawn(on_terminal(project, ["snakemake", "-c2"]))
    assert all(len(line) < COLUMNS for line in lines)
    both = [line for line in lines if re.search(r"(one|two) \d+ %.* · (one|two) \d+ %", line)]
    assert both and both[0].startswith("0/2 stages · ")
    assert any(re.search(r"(one|two) \d+ %, \d s left", line) for line in lines)
    content = on_terminal(project, ["snakemake", "-c1", "--forceall", "--quiet", "progress"])
    assert not drawn(content)


@pytest.mark.slow
def test_snakemake_describes_a_stage_that_runs_alone(project: Workspace) -> None:
    content = on_terminal(project, ["snakemake", "-c1"])
    lines = drawn(content)
    assert all(len(line) < COLUMNS for line in lines)
    order = [
        {
            name
            for name in ("one", "two")
            if any(f"{n}/2 stages · {name}: count" in x for x in lines)
        }
        for n in (0, 1)
    ]
    assert order in ([{"one"}, {"two"}], [{"two"}, {"one"}])
    assert "\none: result one\r\n" in content.replace(stage_output.CLEAR, "\n")


@pytest.mark.slow
def test_dvc_repro_has_the_stage_draw_its_line(project: Workspace) -> None:
    content = on_terminal(project, ["dvc", "repro"])
    lines = drawn(content)
    for place, name in (("1/2", "one"), ("2/2", "two")):
        own = [line for line in lines if line.startswith(f"{place} {name}: count ")]
        assert len(own) >= 3 and all(len(line) < COLUMNS for line in own)
        assert own != sorted(own, reverse=True) and "loss" in own[-1]
        assert f"{stage_output.CLEAR}a warning\r\n" in content
        assert log(project, name).endswith(f"a warning\nresult {name}\n")


def test_a_log_gets_lines_by_percent_and_by_seconds(tmp_path: Path) -> None:
    shown = stage_output.StageProgress("one", tmp_path / "log", None, drawn=False)

    def lines(done: int, seconds: float, total: int | None = 100) -> list[str]:
        """The lines of the log after the progress bar was shown in this state."""
        bar.done, bar.total, bar.started = done, total, bar.started
        shown.logged = (*shown.logged[:3], shown.logged[3] - seconds)
        shown([bar])
        return (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []

    bar = Progress("train", 100, "steps")
    shown([bar])
    assert lines(9, 5) == []  # nothing is logged below 10 %
    assert lines(10, 0.1)[0].startswith("progress: train 10/100 steps, 10 %")
    assert len(lines(20, 0)) == 1  # within a second
    assert len(lines(20, 1)) == 2
    assert len(lines(21, 29)) == 2 and len(lines(22, 2)) == 3  # 31 seconds
    assert lines(23, 31, None)[-1] == "progress: train 23 steps"


def test_a_state_that_cannot_be_written_does_not_stop_a_stage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = stage_output.StageProgress("one", None, tmp_path / "file" / "one.json", drawn=False)
    shown([Progress("train", 100)])
    shown([])


def test_several_stages_fit_into_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"train@task{number}" for number in range(9)]
    display = run_display.RunDisplay(names, 55, drawn=True)
    for number, name in enumerate(names[:3]):
        display.jobs[number] = run_display.Job(name, Path("none.log"))
        shown = stage_output.StageProgress(name, None, stage_output.state_of(name), drawn=False)
        shown([Progress("train", 100, "steps", 20 * number)])
    display.done = 12
    line = display.describe(200)
    assert line.startswith("12/55 stages · train@task0 0 % · train@task1 20 %")
    assert display.describe(30) == line[:29] + "…"
    display.jobs[0].started -= 100
    stage_output.state_of(names[0]).unlink()
    assert "train@task0 2 min" in display.describe(200)
