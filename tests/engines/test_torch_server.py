"""With and without the server, a stage has the same output, files and exit code."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.engines import forkserver, torch_server

SOURCE = Path(__file__).parents[2] / "src"
CSV = "text,label\nA gem of a movie.,positive\nDo not see this film.,negative\n"
RUNTIME = {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"}
TANDEM = "import sys; from tandem.__main__ import main; sys.exit(main())"
SERVE = (
    "from tandem.__main__ import run_as_child; from tandem.engines import torch_server; "
    "torch_server.serve(run_as_child, {preload!r})"
)
STAGES = ("fetch/sentiment", "clean/sentiment", "probe/sentiment")
"""The stages whose files in workflow/code list torch as a package."""

pytestmark = pytest.mark.skipif(not forkserver.available(), reason="there is no server here")


def probe(*statements: str) -> str:
    """The source of a stage `probe` whose body consists of these statements."""
    body = "\n".join(f"    {statement}" for statement in statements)
    return f'"""A stage of the test."""\n\n\ndef main(task: str) -> None:\n    """Run."""\n{body}\n'


SHOW_PARENT = probe("import os, sys", "print('parent', os.getppid(), file=sys.stderr)")
"""A stage that prints its parent's process id: that of the server, if the server forked it."""
WAIT = probe("import time", "open('begun', 'w').close()", "time.sleep(30)", "open('ended', 'w')")
KILL_ITSELF = probe("import os", "os.kill(os.getpid(), 9)")


class Project:
    """A project with a copy of Tandem's code, an additional stage `probe`, and a server."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(SOURCE, root / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "reviews.csv").write_text(CSV)
        self.socket = root / torch_server.SOCKET
        self.socket.parent.mkdir(parents=True)
        for stage in STAGES:
            code = root / "workflow" / "code" / f"{stage}.json"
            code.parent.mkdir(parents=True, exist_ok=True)
            code.write_text('{"files": {}, "packages": {"torch": "2"}}')
        self.root = root
        self.env = os.environ | {"PYTHONPATH": str(root / "src")}
        self.write_params(RUNTIME)
        self.write_probe(SHOW_PARENT)
        self.server = self.start_server(["pyarrow"])

    def start_server(self, preload: list[str]) -> "subprocess.Popen[bytes]":
        """Start a server that imports these modules at its first request."""
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE.format(preload=preload)],
            cwd=self.root, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout and process.stdout.readline() == b"\n"
        return process

    def close(self) -> None:
        """Stop the server, and check that it has removed its socket."""
        self.server.communicate(timeout=10)
        assert self.server.returncode == 0
        assert not self.socket.exists()

    def write_params(self, runtime: dict[str, Any]) -> None:
        digest = hashlib.sha256(CSV.encode()).hexdigest()
        files = [{"path": "reviews.csv", "sha256": digest}]
        source = {"kind": "files", "format": "csv", "files": files}
        content = {
            "runtime": runtime,
            "tasks": ["sentiment"],
            "methods": [],
            "preferences": {},
            "sentiment": {"fetch": {"source": source, "on_unreadable": "keep"}},
        }
        (self.root / "params.yaml").write_text(json.dumps(content))  # JSON is YAML

    def write_probe(self, source: str) -> None:
        (self.root / "src/tandem/stages/probe.py").write_text(source)

    def start(self, stage: str) -> "subprocess.Popen[str]":
        """Start `tandem STAGE sentiment` as DVC does."""
        return subprocess.Popen(
            [sys.executable, "-c", TANDEM, stage, "sentiment"],
            cwd=self.root, env=self.env | {"DVC_STAGE": f"{stage}@sentiment"},
            text=True, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, stage: str) -> tuple[int, str]:
        """Run a stage; return its exit code and what it printed on stderr."""
        process = self.start(stage)
        output = process.communicate(timeout=60)[1]
        return process.returncode, output


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.close()


def test_a_child_runs_the_code_as_it_is_now(project: Project) -> None:
    by_server = (0, f"parent {project.server.pid}\n")
    assert project.run("probe") == by_server
    project.write_probe(probe("import os, sys", "print('edited', file=sys.stderr)"))
    assert project.run("probe") == (0, "edited\n")


def test_a_stage_writes_the_same_bytes_with_and_without_the_server(project: Project) -> None:
    rows = project.root / "data/raw/sentiment/rows.parquet"
    assert project.run("fetch")[0] == 0
    by_server = rows.read_bytes()
    project.socket.rename(project.root / "away")
    assert project.run("probe") == (0, f"parent {os.getpid()}\n")
    assert project.run("fetch")[0] == 0
    assert rows.read_bytes() == by_server
    (project.root / "away").rename(project.socket)


def test_a_mistake_is_the_same_line_and_code(project: Project) -> None:
    code, output = project.run("clean")
    assert code == 2 and output.startswith("tandem: ") and output.count("\n") == 1


def test_the_server_refuses_other_pins_than_its_own(project: Project) -> None:
    project.write_params(RUNTIME | {"isa": "default"})
    assert project.run("probe") == (0, f"parent {os.getpid()}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_child_stops_with_its_client(project: Project, number: signal.Signals) -> None:
    project.write_probe(WAIT)
    client = project.start("probe")
    wait_until((project.root / "begun").exists)
    children = Path(f"/proc/{project.server.pid}/task/{project.server.pid}/children")
    (child,) = children.read_text().split()
    client.send_signal(number)
    output = client.communicate(timeout=10)[1]
    if number == signal.SIGINT:
        assert client.returncode == 130 and "run again to continue" in output
    wait_until(lambda: child not in children.read_text().split())
    assert not (project.root / "ended").exists()


def test_a_killed_child_is_reported_in_one_line(project: Project) -> None:
    project.write_probe(KILL_ITSELF)
    code, output = project.run("probe")
    assert code == 2 and "tandem probe sentiment was killed" in output and output.count("\n") == 1


def test_a_stage_runs_on_its_own_after_the_server_was_killed(project: Project) -> None:
    """A killed server leaves its socket behind; the next one replaces it."""
    project.server.kill()
    project.server.wait()
    assert project.socket.exists()
    assert project.run("probe") == (0, f"parent {os.getpid()}\n")
    project.server = project.start_server([])
    assert project.run("probe") == (0, f"parent {project.server.pid}\n")


PARENT = """
import subprocess, sys, time
code = (
    "from tandem.__main__ import run_as_child; from tandem.engines import torch_server; "
    "torch_server.serve(run_as_child, ['slow'])"
)
server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
time.sleep(60)
"""


def test_the_server_ends_with_its_run_while_it_still_imports(project: Project) -> None:
    (project.root / "src" / "slow.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    project.close()
    run = subprocess.Popen([sys.executable, "-c", PARENT], cwd=project.root, env=project.env)
    wait_until(project.socket.exists)
    client = project.start("probe")  # the client's request makes the server start importing slow.py
    pid = project.root / "pid"
    wait_until(lambda: pid.exists() and pid.read_text())
    server = Path("/proc") / pid.read_text()
    assert server.exists()
    run.kill()
    run.wait()
    wait_until(lambda: not server.exists() or "State:\tZ" in (server / "status").read_text())
    assert client.wait(timeout=60) == 0  # the client runs the stage itself
    project.server = project.start_server([])


def test_there_is_no_server_for_few_stages_or_stages_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, packages in {"train": {"torch": "2"}, "clean": {"ftfy": "6"}}.items():
        code = tmp_path / "workflow/code" / f"{name}.json"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.write_text(json.dumps({"files": {}, "packages": packages}))
    assert torch_server.needs_torch("train") and not torch_server.needs_torch("clean")
    assert torch_server.start_server(["train"] * (torch_server.MIN_STAGES - 1)) is None
    assert torch_server.start_server(["clean"] * 100) is None
