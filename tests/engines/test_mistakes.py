"""The messages for user errors under either engine: one line from Tandem, or DVC's own message.

The commands are the real ones; only the stage that is interrupted is a stand-in.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow

CSV = b"text,label\nA gem of a movie.,positive\n"
STAGE, TARGET = "fetch@sentiment", "data/raw/sentiment"
ENGINES = {"dvc": ["dvc", "repro", STAGE], "snakemake": ["snakemake", "-c1", TARGET]}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A clone in which the rows of a task come from a user's file that is missing."""
    workspace = clone(tmp_path_factory.mktemp("mistakes"))
    path = workspace.path / "params.yaml"
    yaml = YAML()
    content = yaml.load(path)
    content["sentiment"]["fetch"]["source"] = {
        "kind": "files",
        "format": "csv",
        "files": [{"path": "reviews.csv", "sha256": hashlib.sha256(CSV).hexdigest()}],
    }
    yaml.dump(content, path)
    return workspace


@pytest.mark.parametrize("engine", ENGINES)
def test_the_line_of_tandem_is_shown(engine: str, own: Workspace) -> None:
    done = own.run(*ENGINES[engine], check=False)
    output = done.stdout + done.stderr
    assert done.returncode and "tandem: reviews.csv is missing" in output
    assert "Traceback" not in output and "exited with 2" in output
    assert not (own.path / TARGET).exists()


def test_a_mistake_in_params_is_one_line_of_snakemake(own: Workspace) -> None:
    path = own.path / "params.yaml"
    valid = path.read_text()
    path.write_text(valid.replace("  seed:", "  sede:", 1))
    done = own.snakemake("-n", check=False)
    path.write_text(valid)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("Config", "  "))]
    assert "unknown key runtime.sede. Did you mean 'seed'?" in lines[-1]
    assert "File" not in done.stderr.replace("Snakefile", "")


def test_an_error_of_dvc_is_shown_too(own: Workspace) -> None:
    """DVC's error is shown if, for example, its cache cannot be written to."""
    (own.path / "reviews.csv").write_bytes(CSV)
    blocked = own.path / ".dvc" / "cache" / "files"
    blocked.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(blocked, ignore_errors=True)
    blocked.write_text("")
    done = own.run(*ENGINES["snakemake"], check=False)
    assert done.returncode and "Not a directory: " in done.stdout + done.stderr
    blocked.unlink()
    own.run(*ENGINES["snakemake"])
    assert (own.path / TARGET / "rows.parquet").exists() and own.changed().isdisjoint({STAGE})


SLOW = """#!/bin/sh
trap 'echo "tandem: interrupted" >&2; exit 130' INT
touch started
while true; do sleep 0.1; done
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_line_of_an_interrupted_stage_is_shown(
    engine: str, own: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "tandem").write_text(SLOW)
    (tmp_path / "tandem").chmod(0o755)
    env = own.env | {"PATH": os.pathsep.join([str(tmp_path), own.env["PATH"]])}
    for name in (TARGET, ".dvc/cache"):  # so that DVC has nothing to restore
        shutil.rmtree(own.path / name, ignore_errors=True)
    started = own.path / "started"
    process = subprocess.Popen(
        ENGINES[engine], cwd=own.path, env=env, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # Background jobs of a shell ignore SIGINT, and so do all processes that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    end = time.monotonic() + 120
    while not started.exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=240)[0]
    started.unlink()
    assert process.returncode and "tandem: interrupted" in output and "Traceback" not in output
    (own.path / "reviews.csv").write_bytes(CSV)
    own.repro(STAGE)
    assert "Nothing to be done" in own.snakemake("-n", TARGET).stdout
