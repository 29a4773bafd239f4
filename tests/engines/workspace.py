"""A clone of the project in which tests run the engines as a user does."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PATCHED = (sys.executable, "-m", "tandem.patches.dvc")
"""The command `dvc` with the patches that Snakemake jobs use."""
OVERLAY = ".dvc/tmp/overlay.yaml"


@dataclass
class Workspace:
    """A folder with a project, and the environment variables of the commands that run in it."""

    path: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def snakemake(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("snakemake", *options, check=check)

    def repro(self, *options: str, plain: bool = False) -> subprocess.CompletedProcess[str]:
        """Run `dvc repro`, with patches that make it much faster unless `plain` is true."""
        return self.run(*(["dvc"] if plain else PATCHED), "repro", "--quiet", *options)

    def overlay(self, values: Mapping[str, object]) -> None:
        """Merge values into params.yaml with `tandem overlay`."""
        (self.path / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
        (self.path / OVERLAY).write_text(json.dumps(values))
        self.run(sys.executable, "-m", "tandem", "overlay", OVERLAY, "params.yaml")

    def planned(self) -> set[str]:
        """The stages that `snakemake -n` would run."""
        out = self.snakemake("-n", "--quiet", "reason").stdout
        if "Nothing to be done" in out:
            return set()
        table = out.split("Job stats:")[-1].split("\n\n")[0].splitlines()[3:]
        return {line.split()[0] for line in table} - {"all", "total"}

    def changed(self) -> set[str]:
        """The stages that are not up to date according to `dvc status`."""
        return set(json.loads(self.run("dvc", "status", "--json").stdout))

    def lock(self) -> str:
        """dvc.lock with its stages sorted by name, because DVC appends stages as they finish."""
        from ruamel.yaml import YAML

        content = YAML(typ="safe").load((self.path / "dvc.lock").read_text())
        return json.dumps(content, sort_keys=True, indent=1)


def script(name: str) -> ModuleType:
    """Import a script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def clone(path: Path, standin: bool = False) -> Workspace:
    """Copy the files that Git tracks or would add; put this Python environment's commands on PATH.

    Args:
        path: The folder of the copy.
        standin: Whether the command `tandem` runs standin.py instead of Tandem.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, path / name)
    folders = [str(BIN), os.environ["PATH"]]
    if standin:
        folders.insert(0, str(_standin(path)))
    env = os.environ | {
        "PATH": os.pathsep.join(folders),
        "PYTHONPATH": str(path / "src"),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(path / ".dvc" / "site"),
    }
    workspace = Workspace(path, env)
    workspace.run("git", "init", "--quiet")
    (path / "dvc.lock").unlink(missing_ok=True)
    return workspace


def _standin(path: Path) -> Path:
    """A folder with a command `tandem` that runs standin.py on the stages of dvc.yaml."""
    from dvc.repo import Repo

    (path / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    declared = {}
    with Repo(str(path)) as repo:
        for stage in repo.index.stages:
            params = [dep for dep in stage.deps if hasattr(dep, "params")]
            declared[stage.cmd] = {
                "deps": [dep.def_path for dep in stage.deps if dep not in params],
                "params": [key for dep in params for key in dep.params],
                "outs": [out.def_path for out in stage.outs],
            }
    declared_file = path / ".dvc" / "tmp" / "standin.json"
    declared_file.write_text(json.dumps(declared))
    folder = path / ".dvc" / "tmp" / "bin"
    folder.mkdir()
    script = folder / "tandem"
    command = f"{sys.executable} {Path(__file__).parent}/standin.py {declared_file}"
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    return folder
