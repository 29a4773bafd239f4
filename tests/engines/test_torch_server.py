"""A stage in a child of the warm process: the same words, codes and bytes as anywhere."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.engines import torch_server

SOURCE = Path(__file__).parents[2] / "src"
CSV = "text,label\nA gem of a movie.,positive\nDo not see this film.,negative\n"
RUNTIME = {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"}
TANDEM = "import sys; from tandem.engines import torch_server; sys.exit(torch_server.entry_point())"
SERVE = "from tandem.engines import torch_server; torch_server.serve(['pyarrow'])"


class Project:
    """A project with its own copy of the code and a warm process."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(SOURCE, root / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "reviews.csv").write_text(CSV)
        (root / torch_server.SOCKET).parent.mkdir(parents=True)
        for stage in ("fetch/sentiment", "fetch", "first", "last"):
            code = root / "workflow" / "code" / f"{stage}.json"
            code.parent.mkdir(parents=True, exist_ok=True)
            code.write_text('{"files": {}, "packages": {"torch": "2"}}')
        self.root = root
        self.env = os.environ | {"PYTHONPATH": str(root / "src"), "DVC_STAGE": "fetch@sentiment"}
        self.params(RUNTIME)
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVE], cwd=root, env=self.env, stdin=subprocess.PIPE
        )
        until((root / torch_server.SOCKET).exists)

    def close(self) -> None:
        self.server.stdin.close()  # type: ignore[union-attr]
        assert self.server.wait(timeout=10) == 0
        assert not (self.root / torch_server.SOCKET).exists()

    def params(self, runtime: dict[str, Any]) -> None:
        pin = hashlib.sha256(CSV.encode()).hexdigest()
        files = [{"path": "reviews.csv", "sha256": pin}]
        source = {"kind": "files", "format": "csv", "files": files}
        fetch = {"source": source, "on_unreadable": "keep"}
        content = {
            "runtime": runtime,
            "tasks": ["sentiment"],
            "methods": [],
            "preferences": {},
            "sentiment": {"fetch": fetch},
        }
        (self.root / "params.yaml").write_text(json.dumps(content))  # JSON is YAML

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / "src" / "tandem" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def dvc(self, stages: dict[str, Any], *command: str) -> "subprocess.CompletedProcess[str]":
        """What `command` answers in a repository of DVC with `stages`."""
        (self.root / "dvc.yaml").write_text(json.dumps({"stages": stages}))
        folders = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = self.env | {"DVC_NO_ANALYTICS": "1", "PATH": folders}
        if not (self.root / ".dvc").exists():
            init = ["dvc", "init", "--no-scm", "--quiet"]
            subprocess.run(init, cwd=self.root, env=env, check=True)
        return subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", TANDEM, *arguments],
            cwd=self.root, env=self.env, text=True, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str]:
        started = self.start(*arguments)
        said = started.communicate(timeout=60)[1]
        return started.returncode, said


def until(there: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.close()


WHO = 'sys.stderr.write(f"parent {os.getppid()}\\n");'


def test_a_child_does_the_work_with_the_code_as_it_is_now(project: Project) -> None:
    project.edit("stages/fetch.py", '    """Fetch', f'    import os, sys; {WHO}\n    """Fetch')
    code, said = project.run("fetch", "sentiment")
    assert (code, said) == (0, f"parent {project.server.pid}\n")
    warmly = (project.root / "data/raw/sentiment/rows.parquet").read_bytes()
    (project.root / torch_server.SOCKET).rename(project.root / "away")
    code, said = project.run("fetch", "sentiment")
    assert code == 0 and f"parent {os.getpid()}" in said
    assert (project.root / "data/raw/sentiment/rows.parquet").read_bytes() == warmly
    (project.root / "away").rename(project.root / torch_server.SOCKET)


def test_a_mistake_is_the_same_line_and_code(project: Project) -> None:
    code, said = project.run("clean", "sentiment")
    assert code == 2 and said.startswith("tandem: ") and said.count("\n") == 1


def test_other_pins_are_not_for_this_process(project: Project) -> None:
    project.edit("stages/fetch.py", '    """Fetch', f'    import os, sys; {WHO}\n    """Fetch')
    project.params(RUNTIME | {"isa": "default"})
    code, said = project.run("fetch", "sentiment")
    assert code == 0 and f"parent {os.getpid()}" in said


WAIT = 'open("begun", "w").close(); time.sleep(30); open("ended", "w").close()'


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_a_child_stops_with_who_asked(project: Project, by: signal.Signals) -> None:
    project.edit("stages/fetch.py", '    """Fetch', f'    import time; {WAIT}\n    """Fetch')
    asked = project.start("fetch", "sentiment")
    until((project.root / "begun").exists)
    children = Path(f"/proc/{project.server.pid}/task/{project.server.pid}/children")
    (child,) = children.read_text().split()
    asked.send_signal(by)
    said = asked.communicate(timeout=10)[1]
    if by == signal.SIGINT:
        assert asked.returncode == 130 and "run again to continue" in said
    until(lambda: child not in children.read_text().split())
    assert not (project.root / "ended").exists() and not (project.root / "data").exists()


def test_a_killed_child_is_one_line(project: Project) -> None:
    project.edit(
        "stages/fetch.py", '    """Fetch', '    import os; os.kill(os.getpid(), 9)\n    """'
    )
    code, said = project.run("fetch", "sentiment")
    assert code == 2 and "tandem fetch sentiment was killed" in said and said.count("\n") == 1


FETCH = f'{sys.executable} -c "{TANDEM}" fetch sentiment'


def test_without_the_server_a_stage_just_runs(project: Project) -> None:
    """A server that was killed leaves its socket behind."""
    project.server.kill()
    project.server.wait()
    assert (project.root / torch_server.SOCKET).exists()
    assert project.run("fetch", "sentiment") == (0, "")
    (project.root / torch_server.SOCKET).unlink()
    project.server = subprocess.Popen(["cat"], stdin=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere stages just run")
@pytest.mark.parametrize("targets", [[], ["last"]])
def test_dvc_repro_of_all_starts_one_and_ends_it(project: Project, targets: list[str]) -> None:
    """The first stage starts it, the second waits for it in the test, the last is its child."""
    project.close()
    served = "print('serve' in open('/proc/self/cmdline').read(), file=sys.stderr)"
    project.edit("stages/fetch.py", '    """Fetch', f'    import sys; {served}\n    """Fetch')
    project.edit("engines/torch_server.py", "heavy: Sequence[str] = PRELOAD", "heavy: Sequence[str] = ()")
    address = project.root / torch_server.SOCKET
    wait = f"for i in $(seq 100); do test -e {address} && break; sleep .05; done; touch waited"
    stages = {
        "first": {"cmd": FETCH, "deps": ["reviews.csv"], "outs": ["data/raw/sentiment"]},
        "wait": {"cmd": wait, "deps": ["data/raw/sentiment"], "outs": ["waited"]},
        "last": {"cmd": FETCH, "deps": ["waited"]},
    }
    done = project.dvc(stages, "dvc", "repro", "--quiet", *targets)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == ["False", str(not targets)]
    until(lambda: not address.exists())


HEAD = """
import subprocess, sys, time
code = "from tandem.engines import torch_server; torch_server.serve(['slow'])"
warm = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends after its imports")
def test_it_ends_with_the_head_while_it_still_imports(project: Project) -> None:
    (project.root / "src" / "slow.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    project.close()
    head = subprocess.Popen([sys.executable, "-c", HEAD], cwd=project.root, env=project.env)
    until((project.root / torch_server.SOCKET).exists)
    asked = project.start("fetch", "sentiment")  # its request starts the imports
    told = project.root / "pid"
    until(lambda: told.exists() and told.read_text())
    process = Path("/proc") / told.read_text()
    assert process.exists()
    head.kill()
    head.wait()
    until(lambda: not process.exists() or "State:\tZ" in (process / "status").read_text())
    assert asked.wait(timeout=60) == 0  # it goes on alone
    (project.root / torch_server.SOCKET).unlink()


def test_a_second_one_ends_at_once(project: Project) -> None:
    command = [sys.executable, "-c", SERVE]
    subprocess.run(command, cwd=project.root, env=project.env, timeout=30, check=True)
    assert project.run("fetch", "sentiment")[0] == 0


def test_few_heavy_stages_start_none() -> None:
    assert torch_server.start_server(["train"] * (torch_server.MIN_STAGES - 1)) is None
    assert torch_server.start_server(["clean"] * 100) is None
