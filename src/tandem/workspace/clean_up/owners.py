"""The outputs and dependencies of each stage and each .dvc file."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.core import paths
from tandem.engines import plan as planning
from tandem.engines import stage_server


@dataclass(frozen=True)
class Owners:
    """The outputs and dependencies of each stage and each .dvc file, according to DVC's index."""

    names: frozenset[str]
    """The names of the stages in the dvc.yaml in the root of the project."""
    everywhere: frozenset[str]
    """The names of the stages in all dvc.yaml files, including those in subfolders."""
    makers: Mapping[str, str]
    readers: Mapping[str, str]

    @classmethod
    def of(cls, repo: Any) -> "Owners":
        """Collect the outputs and dependencies from the current index of `repo`."""
        root, stages = str(repo.root_dir), list(repo.index.stages)
        commands = [stage for stage in stages if stage.cmd]
        in_root = str(Path(root, paths.DAG))
        return cls(
            names=frozenset(stage.name for stage in commands if stage.path == in_root),
            everywhere=frozenset(stage.name for stage in commands),
            makers={planning.path_of(out, root): s.addressing for s in stages for out in s.outs},
            readers=dict(_read_by(stages, root)),
        )

    def owner(self, path: str) -> str:
        """Why a path must not be removed; empty if no stage and no .dvc file uses it."""
        for out, name in self.makers.items():
            if f"{path}/".startswith(f"{out}/"):
                tracked = name.endswith(".dvc")
                return f"{name} tracks it" if tracked else f"it is an output of {name}"
        for dep, name in self.readers.items():
            if f"{dep}/".startswith(f"{path}/"):
                made = any(paths.overlap(dep, out) for out in self.makers)
                if not made:
                    return f"{name} reads {dep}"
        return ""

    def overlapping(self, path: str) -> bool:
        """Whether a path is an output, is inside an output, or contains an output."""
        return any(paths.overlap(path, out) for out in self.makers)

    def below(self, path: str) -> list[str]:
        """The outputs inside the folder `path`."""
        return [out for out in self.makers if out.startswith(f"{path}/")]


def _read_by(stages: Iterable[Any], root: str) -> Iterator[tuple[str, str]]:
    """Each path that a stage reads, including params and `vars` files, with the stage's name."""
    for stage in stages:
        for dep in stage.deps:
            if dep.protocol == "local" and dep.fs_path:
                yield planning.path_of(dep, root), stage.addressing
        for file in stage_server.defining_files(stage) if stage.cmd else ():
            yield os.path.relpath(file, root), stage.addressing
