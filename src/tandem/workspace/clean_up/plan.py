"""What is to be removed, and what is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.workspace.clean_up.owners import Owners

Marks = tuple[int, int, int, int]
"""Metadata that shows, without reading a file, whether the file has been changed."""


@dataclass(frozen=True)
class Removal:
    """The files of a removed stage's output that may be removed."""

    path: str
    stage: str
    files: Mapping[Path, Marks]
    copy: str
    """Where there is another copy of the files: `cache`, `git` or `none`."""

    @property
    def size(self) -> int:
        """Total size of the files in bytes."""
        return sum(size for _, size, _, _ in self.files.values())


@dataclass(frozen=True)
class Kept:
    """A path that belonged to a removed stage but is kept, and the reason."""

    path: str
    reason: str


@dataclass
class Plan:
    """What is to be removed, and what is kept."""

    owners: Owners
    """The outputs and dependencies of the stages when the plan was made."""
    read: Mapping[Path, bytes]
    """The contents of dvc.yaml and dvc.lock when the plan was made."""
    entries: list[str] = field(default_factory=list)
    """Stages that have an entry in dvc.lock and are not in dvc.yaml."""
    removals: list[Removal] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Outputs whose lines are to be removed from the .gitignore next to them."""
    artifacts: list[str] = field(default_factory=list)
    """Names of entries to be removed from dvc.yaml's `artifacts`."""
    kept: list[Kept] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.removals or self.ignored or self.artifacts)

    @property
    def size(self) -> int:
        """Size of all files to be removed, in bytes."""
        return sum(removal.size for removal in self.removals)

    def as_json(self, removed: bool) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "removed": removed,
            "stages": self.entries,
            "outputs": [
                {
                    "path": removal.path,
                    "stage": removal.stage,
                    "files": len(removal.files),
                    "size": removal.size,
                    "copy": removal.copy,
                }
                for removal in self.removals
            ],
            "gitignore": self.ignored,
            "artifacts": self.artifacts,
            "kept": [{"path": kept.path, "reason": kept.reason} for kept in self.kept],
        }
