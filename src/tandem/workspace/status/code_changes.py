"""How the code of a stage has changed since its last run."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from tandem.core import io, params, paths
from tandem.core.errors import TandemError
from tandem.core.provenance import RunRecord, StageCode, StageSpec, read_code
from tandem.engines import code_closure
from tandem.lineage import graph as lineage
from tandem.workspace.status.contents import Contents
from tandem.workspace.status.report import Reason


class CodeChanges:
    """Compares the code of stages with the files that the stage `code` wrote for them."""

    def __init__(self, contents: Contents, is_current: Callable[[], bool]) -> None:
        """Initialize.

        Args:
            contents: Looks up files in DVC's cache.
            is_current: Tells whether the files in workflow/code exist and are up to date.
        """
        self.contents, self._files_are_current = contents, is_current

    def of(self, stage: Any, path: str, ran: str) -> Iterator[Reason]:
        """Which source files and package versions differ from those of the stage's last run.

        `ran` is the MD5 that the stage's file in workflow/code had at the stage's last run.
        """
        now = self._now(stage, path)
        if _code_md5(now) == ran:
            return
        old = self._then(path, ran)
        if old is None:
            # The source files of the last run are unknown, but the stage's record may contain the
            # package versions.
            packages = self._recorded_packages(stage, path, ran)
            yield from _package_changes(packages, now.packages)
            yield Reason("code", "its code", "changed")
            return
        for name in sorted({*old.files, *now.files}):
            if old.files.get(name) != now.files.get(name):
                problem = "changed"
                if name not in old.files:
                    problem = "was added to the stage's code"
                elif name not in now.files:
                    problem = "was removed from the stage's code"
                yield Reason("code", f"{paths.SOURCE}/{name}", problem)
        yield from _package_changes(old.packages, now.packages)

    def _now(self, stage: Any, path: str) -> StageCode:
        """The up-to-date content of the stage's file in workflow/code."""
        if self._is_current:
            return read_code(Path(path))
        keys = tuple(key for dep in stage.params for key in dep.params)
        command = stage.cmd if isinstance(stage.cmd, str) else " ".join(stage.cmd)
        declared = StageSpec(
            name=stage.addressing, command=command, deps=(), params=keys, outs=(), in_git=()
        )
        return self._closures.code(declared, self._params)

    def _then(self, path: str, md5: str) -> StageCode | None:
        """The content of the stage's file in workflow/code at the last run; None if unknown."""
        for file in (Path(path), self.contents.object(md5)):
            with suppress(OSError, TandemError):
                if hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() == md5:
                    return read_code(file)
        return None

    def _recorded_packages(self, stage: Any, path: str, md5: str) -> Mapping[str, str]:
        """The package versions in the stage's record, if it is the record of the last run."""
        file = Path(lineage.record_of(stage.name))
        with suppress(OSError, TandemError):
            record: RunRecord = lineage.parse(file.read_bytes(), file)
            if (read := record.inputs.get(path)) and read.md5 == md5:
                return record.packages
        return {}

    @cached_property
    def _is_current(self) -> bool:
        return self._files_are_current()

    @cached_property
    def _closures(self) -> code_closure.Closures:
        return code_closure.Closures()

    @cached_property
    def _params(self) -> dict[str, Any]:
        return params.read()


def _code_md5(code: StageCode) -> str:
    """The MD5 of a file in workflow/code whose content is `code`."""
    return hashlib.md5(io.json_bytes(code.model_dump()), usedforsecurity=False).hexdigest()


def _package_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Reason]:
    """Packages whose versions have changed since the stage's last run."""
    for name in sorted({*old} & {*new}):
        if old[name] != new[name]:
            yield Reason("package", name, old=old[name], new=new[name])
