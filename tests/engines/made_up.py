"""A small user project, in which both engines run stages that are short shell commands."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from engines.workspace import BIN, ROOT, Workspace

RUNTIME = {"seed": 1, "threads": 1, "isa": "avx2", "device": "cpu"}
PARAMS = {"runtime": RUNTIME, "tasks": [], "methods": [], "preferences": {}}


def stage(command: str, deps: list[str], outs: list[str]) -> dict[str, object]:
    """An entry of dvc.yaml; the command also appends the stage's name to executed.log."""
    logged = f'{command} && echo "$DVC_STAGE" >> $DVC_ROOT/executed.log'
    return {"cmd": logged, "deps": deps, "outs": outs}


def make(path: Path, stages: Mapping[str, object], **files: str) -> Workspace:
    """Create a project with Tandem's Snakefile, these stages and files, and its own DVC cache."""
    path.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "Snakefile", path)
    for name in ("workflow", "profiles"):
        shutil.copytree(ROOT / name, path / name)
    (path / ".dvcignore").write_text(".snakemake\n.snakemake_timestamp\n")
    (path / "params.yaml").write_text(json.dumps(PARAMS))
    (path / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    for name, text in files.items():
        (path / name).write_text(text)
    env = os.environ | {
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(path / ".dvc" / "site"),
    }
    subprocess.run(["git", "init", "--quiet"], cwd=path, env=env, check=True)
    subprocess.run(["dvc", "init", "--quiet"], cwd=path, env=env, check=True)
    return Workspace(path, env)


def executed(workspace: Workspace) -> list[str]:
    """The stages that were executed since the last call, sorted."""
    log = workspace.path / "executed.log"
    names = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(names)
