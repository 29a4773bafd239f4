"""A Git repository with a dvc.lock and outputs of stages, made without running a stage."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tandem.core import io
from tandem.patches import dvc
from tandem.sharing.merge.lock_file import WITHOUT_ENTRIES

COMMANDS = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]


def entry(stage: str, version: str) -> dict[str, Any]:
    """The entry of a stage in dvc.lock; each version has its own input, param and outputs."""
    outs = [
        {
            "path": path,
            "hash": "md5",
            "md5": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        }
        for path, text in outputs(stage, version).items()
    ]
    return {
        "cmd": f"tandem {stage}",
        "deps": [{"path": f"data/{stage}", "hash": "md5", "md5": f"{version}-in", "size": 1}],
        "params": {"params.yaml": {stage: {"rate": 0.1, "version": version}}},
        "outs": outs,
    }


def outputs(stage: str, version: str) -> dict[str, str]:
    """The files in Git that a stage writes; the metrics contain the first letter of `version`."""
    record = {"stage": stage, "version": version, "filler": ["-"] * 5}
    return {
        f"reports/lineage/{stage}.json": json.dumps(record, indent=1) + "\n",
        f"reports/metrics/{stage}/base.json": json.dumps({"score": version[0]}, indent=1) + "\n",
    }


def lock_text(versions: dict[str, str]) -> str:
    """A dvc.lock with an entry for each stage, as DVC writes it."""
    entries = [_entry_text(stage, version) for stage, version in versions.items()]
    return dvc.HEADER + "".join(entries) if entries else WITHOUT_ENTRIES


@cache
def _entry_text(stage: str, version: str) -> str:
    return dvc.replace_entry("", {stage: entry(stage, version)}).removeprefix(dvc.HEADER)


@dataclass
class Repository:
    """A Git repository whose project may be in a subfolder."""

    root: Path
    folder: str = "."

    @property
    def project(self) -> Path:
        return self.root / self.folder

    def git(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *command], cwd=self.project, capture_output=True, text=True, check=False
        )
        assert not check or not done.returncode, f"{command}: {done.stdout}{done.stderr}"
        return done

    def write(self, versions: dict[str, str]) -> None:
        """Write dvc.lock and all outputs, for the given version of each stage."""
        for path in self.project.glob("reports/*/**/*.json"):
            path.unlink()
        for stage, version in versions.items():
            for name, text in outputs(stage, version).items():
                (self.project / name).parent.mkdir(parents=True, exist_ok=True)
                (self.project / name).write_text(text)
        (self.project / "dvc.lock").write_text(lock_text(versions))

    def commit(self, **versions: str) -> None:
        """Write the given versions of stages, if any, and commit all changes."""
        if versions:
            self.write(versions)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Run")

    def branch(self, name: str, start: str = "main", **versions: str) -> None:
        """Commit the given versions of stages on a new branch."""
        self.git("checkout", "--quiet", "-B", name, start)
        self.commit(**versions)

    def lock(self) -> dict[str, Any]:
        """The entries of dvc.lock; also check that the file is formatted as DVC formats it."""
        text = (self.project / "dvc.lock").read_text()
        stages: dict[str, Any] = io.parse_yaml(text)["stages"]
        again = ""
        for stage, value in stages.items():
            again = dvc.replace_entry(again, {stage: value})
        assert text == again
        return stages

    def versions(self) -> dict[str, str]:
        """Stage → the version of its entry; `stale` if the entry has no inputs."""
        return {
            stage: value["params"]["params.yaml"][stage]["version"] if "deps" in value else "stale"
            for stage, value in self.lock().items()
        }

    def written(self, stage: str) -> list[str]:
        """The contents of the files that a stage has written."""
        paths = [self.project / name for name in outputs(stage, "x")]
        return [path.read_text() if path.exists() else "" for path in paths]

    def conflicts(self) -> list[str]:
        """The files in conflict, relative to the project."""
        lines = self.git("diff", "--name-only", "--diff-filter=U", "--relative").stdout
        return lines.splitlines()


def create(root: Path, folder: str = ".", **versions: str) -> Repository:
    """A repository with a commit on the branch `main`; no merge drivers are set up."""
    repository = Repository(root, folder)
    repository.project.mkdir(parents=True, exist_ok=True)
    repository.git("init", "--quiet", "--initial-branch", "main", str(root))
    repository.git("config", "user.name", "test")
    repository.git("config", "user.email", "test@example.org")
    (repository.project / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    (repository.project / "params.yaml").write_text("rate: 1\n")
    (repository.project / "dvc.yaml").write_text("stages: {}\n")
    (root / ".gitignore").write_text(".snakemake/\n")
    repository.commit(**versions)
    return repository
