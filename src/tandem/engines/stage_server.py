"""Run the stages of one Snakemake run from a process that has read the pipeline already.

The main process reads dvc.yaml and dvc.lock to plan. It then forks this server, which keeps what
was read, so a job costs neither the imports of DVC nor the parsing of files that grow with the
number of stages. `Repo.reproduce` runs and records the stage, under DVC's locks, as in
`dvc --wait-for-lock repro --single-item STAGE`. A stage whose definition or entry in dvc.lock has
changed since planning is read again by DVC.
"""

import contextlib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tandem.core import io
from tandem.engines import forkserver, job
from tandem.patches import dvc

CLI = {
    "force": False,
    "dry": False,
    "interactive": False,
    "pull": False,
    "allow_missing": False,
    "run_cache": True,
    "no_commit": False,
}
"""What `dvc repro` passes to `Repo.reproduce` without options."""

LAZY = (
    "dulwich.index",
    "dvc.cli",
    "dvc_data.hashfile._progress",
    "dvc_data.hashfile.status",
    "encodings.idna",
)
"""What DVC imports only when it runs a stage."""


@dataclass(frozen=True)
class Pipeline:
    """What planning has read: DVC's repo and stages, and the texts that they come from."""

    repo: Any
    stages: Mapping[str, Any]
    """DVC's stages by the name that `dvc repro` knows them by in the root."""
    texts: Mapping[str, str]
    """The files that define stages and their locks as they were: absolute path → content."""

    def is_unchanged(self, stage: Any) -> bool:
        """Whether DVC would read the same stage now from dvc.yaml, its vars and dvc.lock."""
        lock = lock_of(stage)
        if any(_read(path) != self.texts.get(path) for path in defined_by(stage) if path != lock):
            return False
        old, new = self.texts.get(lock, ""), _read(lock)
        if old == new:
            return True
        title = dvc.entry_title(stage.name)
        entries = [dvc.lock_entry(text, title) for text in (old, new)]
        return entries[0] is not None and entries[0] == entries[1]

    def reproduce(self, name: str) -> None:
        """Bring one stage up to date, as `dvc repro --single-item NAME` does.

        Raises:
            DvcException: the stage failed, or another command holds its files.
        """
        collect = self.repo.stage.collect
        stage = self.stages.get(name)

        def collect_loaded(target: str, **options: Any) -> list[Any]:
            # DVC calls this under its lock, so what is unchanged now stays so.
            if stage is not None and stage.cmd and self.is_unchanged(stage):
                return [stage]
            return list(collect(target, **options))

        self.repo.stage.collect = collect_loaded
        try:
            self.repo.reproduce(name, single_item=True, **CLI)
        finally:
            self.repo.stage.collect = collect


def pipeline(repo: Any, stages: list[Any]) -> Pipeline:
    """Keep what has been read; to be called under DVC's lock, so that all of it fits together."""
    paths = {path for stage in stages if stage.cmd for path in defined_by(stage)}
    return Pipeline(
        repo=repo,
        stages={name: stage for stage in stages for name in _names(stage)},
        texts={path: _read(path) for path in paths},
    )


def _names(stage: Any) -> list[str]:
    name = stage.addressing
    return [name] if ":" in name or not stage.cmd else [name, f"{Path(stage.path).name}:{name}"]


def defined_by(stage: Any) -> list[str]:
    """The files that a stage of a dvc.yaml is read from: dvc.yaml, its vars, dvc.lock."""
    folder = Path(stage.path).parent
    names = {"params.yaml", *_vars_files(_read(stage.path)), *(stage.tracked_vars or ())}
    return [stage.path, *sorted(str(folder / name) for name in names), lock_of(stage)]


@lru_cache(maxsize=8)
def _vars_files(text: str) -> list[str]:
    """The files that `vars` of a dvc.yaml names; parsed once per content."""
    given = io.parse_yaml(text).get("vars") or [] if "vars" in text else []
    return [str(entry).partition(":")[0] for entry in given if isinstance(entry, str)]


def lock_of(stage: Any) -> str:
    """The dvc.lock of a stage's dvc.yaml."""
    return str(Path(stage.path).with_suffix(".lock"))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def start(read: Pipeline, *close: int) -> int | None:
    """Fork the server; it ends when the returned file is closed, at the latest with this process.

    `close` are files that the server must not hold. None where a server cannot be: this system
    has no such sockets, this process runs threads (forking would be unsafe), or DVC is of
    another version than this was tested with.
    """
    if not forkserver.available() or not dvc.tested() or threading.active_count() > 1:
        return None
    listener = forkserver.listen(Path(job.STAGES))
    ended, alive = os.pipe()
    if os.fork():
        os.close(ended)
        listener.close()
        return alive
    try:
        for file in (alive, *close):
            os.close(file)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        job.die_with_parent(by=signal.SIGTERM)
        forkserver.serve(listener, ended, partial(_work, read), partial(_load, read))
    finally:
        os._exit(0)


def _load(read: Pipeline) -> None:
    """Load what children need: what DVC imports late, and the params files of the stages."""
    dvc.patch()
    params = [d for stage in read.stages.values() for d in stage.deps if hasattr(d, "read_params")]
    for each in {dependency.fs_path: dependency for dependency in params}.values():
        with contextlib.suppress(Exception):  # the stage reports it
            each.read_params()
    for name in LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _work(read: Pipeline, words: list[str]) -> Callable[[], int]:
    return partial(run, read, *words)


def run(read: Pipeline, name: str) -> int:
    """Bring one stage up to date; errors and the exit code are those of `dvc repro`.

    DVC's messages about its own steps are left out, so the log is that of the stage.
    """
    from dvc import cli
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.logger import set_loggers_level

    sys.argv = ["dvc", "--wait-for-lock", "repro", "--single-item", name]  # named in DVC's locks
    try:
        # what DVC reads it keeps to its end
        with io.gc_paused(), set_loggers_level(logging.WARNING):
            read.reproduce(name)
    except ConfigError:
        cli.logger.exception("configuration error")
        return 251
    except KeyboardInterrupt:
        cli.logger.exception("interrupted by the user")
        return 252
    except DvcException:
        cli.logger.exception("")
        return 255
    except Exception as error:
        return int(cli._log_exceptions(error) or 255)
    return 0
