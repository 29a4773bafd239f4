"""Stage server: executes the stages of one Snakemake run without reading the pipeline again.

The main process of Snakemake reads dvc.yaml and dvc.lock to plan the run, and then forks this
server, which keeps the loaded stages in memory. Jobs therefore neither import DVC nor parse files
whose size grows with the number of stages. `Repo.reproduce` executes and records a stage, under
DVC's locks, as the command `dvc --wait-for-lock repro --single-item STAGE` does. DVC reads a stage
again if its definition or its entry in dvc.lock has changed since planning.
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
from tandem.patches import dvc as dvc_patches

REPRO_OPTIONS = {
    "force": False,
    "dry": False,
    "interactive": False,
    "pull": False,
    "allow_missing": False,
    "run_cache": True,
    "no_commit": False,
}
"""The arguments that `dvc repro`, called without options, passes to `Repo.reproduce`."""

LAZY_IMPORTS = (
    "dulwich.index",
    "dvc.cli",
    "dvc_data.hashfile._progress",
    "dvc_data.hashfile.status",
    "encodings.idna",
)
"""Modules that DVC imports only when it runs a stage."""


@dataclass(frozen=True)
class Pipeline:
    """The pipeline as read for planning: the stages, and the files from which DVC read them."""

    repo: Any
    stages: Mapping[str, Any]
    """DVC's stage objects, by the names that `dvc repro` accepts in the project's root."""
    texts: Mapping[str, str]
    """Absolute path → content of each file that defines stages, and of each dvc.lock."""

    def is_unchanged(self, stage: Any) -> bool:
        """Whether DVC would still read the same stage from dvc.yaml, vars files and dvc.lock."""
        lock = lock_of(stage)
        definitions = [path for path in defining_files(stage) if path != lock]
        if any(_read(path) != self.texts.get(path) for path in definitions):
            return False
        old, new = self.texts.get(lock, ""), _read(lock)
        if old == new:
            return True
        # Other stages may have finished since planning, so compare only the entry of this stage.
        title = dvc_patches.entry_title(stage.name)
        old_entry = dvc_patches.lock_entry(old, title)
        return old_entry is not None and old_entry == dvc_patches.lock_entry(new, title)

    def reproduce(self, name: str) -> None:
        """Bring one stage up to date, as `dvc repro --single-item NAME` does.

        Raises:
            DvcException: the stage failed, or another command has locked its files.
        """
        collect = self.repo.stage.collect
        stage = self.stages.get(name)

        def collect_loaded(target: str, **options: Any) -> list[Any]:
            # DVC calls this function under its lock, so nothing changes the stage before it runs.
            if stage is not None and stage.cmd and self.is_unchanged(stage):
                return [stage]
            return list(collect(target, **options))

        self.repo.stage.collect = collect_loaded
        try:
            self.repo.reproduce(name, single_item=True, **REPRO_OPTIONS)
        finally:
            self.repo.stage.collect = collect


def pipeline(repo: Any, stages: list[Any]) -> Pipeline:
    """Collect the loaded stages and the text of their defining files; DVC's lock must be held."""
    paths = {path for stage in stages if stage.cmd for path in defining_files(stage)}
    return Pipeline(
        repo=repo,
        stages={name: stage for stage in stages for name in _names(stage)},
        texts={path: _read(path) for path in paths},
    )


def _names(stage: Any) -> list[str]:
    """Names that `dvc repro`, run in the project's root, accepts for a stage.

    For a stage of the dvc.yaml in the root, these are `NAME` and `dvc.yaml:NAME`.
    """
    name = stage.addressing
    return [name] if ":" in name or not stage.cmd else [name, f"{Path(stage.path).name}:{name}"]


def defining_files(stage: Any) -> list[str]:
    """The files from which DVC reads a stage: dvc.yaml, its params and vars files, and dvc.lock."""
    folder = Path(stage.path).parent
    names = {"params.yaml", *_vars_files(_read(stage.path)), *(stage.tracked_vars or ())}
    return [stage.path, *sorted(str(folder / name) for name in names), lock_of(stage)]


@lru_cache(maxsize=8)
def _vars_files(text: str) -> list[str]:
    """The files listed under `vars` in the `text` of a dvc.yaml; the result is cached per text."""
    entries = io.parse_yaml(text).get("vars") or [] if "vars" in text else []
    return [entry.partition(":")[0] for entry in entries if isinstance(entry, str)]


def lock_of(stage: Any) -> str:
    """The path of the dvc.lock that belongs to a stage's dvc.yaml."""
    return str(Path(stage.path).with_suffix(".lock"))


def _read(path: str) -> str:
    """The text of a file; empty if it does not exist."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def start(pipeline: Pipeline, *close: int) -> int | None:
    """Fork the server, which ends when the returned pipe closes or when this process ends.

    Args:
        pipeline: The pipeline as read for planning.
        close: File descriptors that the server must not keep open.

    Returns:
        The file descriptor of the pipe; None if no server can be started because the system
        has no suitable sockets, because this process has other threads, which make forking unsafe,
        or because Tandem has not been tested with this version of DVC.
    """
    if not forkserver.available() or not dvc_patches.tested() or threading.active_count() > 1:
        return None
    listener = forkserver.listen(Path(job.STAGES))
    end_of_run, write_end = os.pipe()
    if os.fork():
        os.close(end_of_run)
        listener.close()
        return write_end
    try:
        for descriptor in (write_end, *close):
            os.close(descriptor)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        job.die_with_parent(by=signal.SIGTERM)
        forkserver.serve(listener, end_of_run, partial(_work, pipeline), partial(_load, pipeline))
    finally:
        os._exit(0)


def _load(pipeline: Pipeline) -> None:
    """Load DVC's lazily imported modules and the stages' params files before the first fork."""
    dvc_patches.patch()
    dependencies = [dep for stage in pipeline.stages.values() for dep in stage.deps]
    by_path = {dep.fs_path: dep for dep in dependencies if hasattr(dep, "read_params")}
    for dependency in by_path.values():
        with contextlib.suppress(Exception):  # the stage itself reports the error
            dependency.read_params()
    for name in LAZY_IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _work(pipeline: Pipeline, words: list[str]) -> Callable[[], int]:
    return partial(run, pipeline, *words)


def run(pipeline: Pipeline, name: str) -> int:
    """Bring one stage up to date; error messages and exit code are those of `dvc repro`.

    DVC's messages about its own steps are suppressed, so that the log contains only the stage's
    output.
    """
    from dvc import cli
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.logger import set_loggers_level

    # DVC writes sys.argv into its lock files, as the command that holds the locks.
    sys.argv = ["dvc", "--wait-for-lock", "repro", "--single-item", name]
    try:
        # Garbage collection would be useless: DVC's objects are needed until the process exits.
        with io.gc_paused(), set_loggers_level(logging.WARNING):
            pipeline.reproduce(name)
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
