"""Remove what a plan lists, except what has changed since the plan was made."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.rwlock import rwlock

from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.engines import locks
from tandem.workspace.clean_up.edits import (
    read_edited_files,
    remove_ignore_line,
    without_artifacts,
    without_entries,
)
from tandem.workspace.clean_up.file_checks import marks
from tandem.workspace.clean_up.owners import Owners
from tandem.workspace.clean_up.plan import Kept, Plan, Removal
from tandem.workspace.read_only import read_only_repo


def remove(plan: Plan) -> list[Kept]:
    """Remove what the plan lists; keep and return what has changed since the plan was made.

    dvc.lock is edited last, so that after a crash, running the command again removes the rest.

    Raises:
        StageError: another command is running in the project, or the pipeline has changed.
    """
    with _exclusive([removal.path for removal in plan.removals]):
        with read_only_repo() as repo:
            if read_edited_files() != plan.read or Owners.of(repo) != plan.owners:
                raise StageError(
                    "the pipeline changed after the list was made: run `tandem clean-up` again"
                )
        texts = {}  # the new contents, prepared before anything is removed
        if plan.artifacts:
            texts[paths.DAG] = without_artifacts(plan.read[paths.DAG].decode(), plan.artifacts)
        if plan.entries:
            texts[paths.LOCK] = without_entries(plan.read[paths.LOCK].decode(), plan.entries)
        kept = [kept for removal in plan.removals for kept in _remove_files(removal)]
        for output in plan.ignored:
            remove_ignore_line(Path(output))
        needed = {*plan.owners.makers, *plan.owners.readers}
        for removal in plan.removals:
            _remove_empty_folders(Path(removal.path), needed)
        for path, text in texts.items():
            _write(path, text)
        locks.back_up_dvc_lock()
    return kept


@contextmanager
def _exclusive(written: Sequence[str]) -> Iterator[None]:
    """Lock the project and the paths in `written`, so that DVC and Snakemake do not use them.

    Raises:
        StageError: another command is running in the project.
    """
    try:
        with locks.acquire_run_lock(), Repo(os.curdir) as repo, lock_repo(repo):
            locked = [str(Path(repo.root_dir, path)) for path in written]
            hardlink = repo.config["core"].get("hardlink_lock", False)
            with rwlock(repo.tmp_dir, repo.fs, "tandem clean-up", [], locked, hardlink):
                yield
    except DvcException as error:
        problem = " ".join(str(error).split())
        raise StageError(
            f"another command is running in this project; wait for it to end: {problem}"
        ) from error


def _remove_files(removal: Removal) -> Iterator[Kept]:
    """Remove an output's files; keep and yield files that changed after the plan was made."""
    for file, marks_before in removal.files.items():
        with suppress(FileNotFoundError):
            if marks(file) == marks_before:
                file.unlink()
            else:
                yield Kept(str(file), "was changed after the list was made")


def _remove_empty_folders(output: Path, needed: set[str]) -> None:
    """Remove the empty folders in and above a path, except those in `needed`."""
    folders = [Path(here) for here, _, _ in os.walk(output, topdown=False)]
    for folder in (*folders, *output.parents):
        if folder == Path() or folder.is_symlink() or str(folder) in needed:
            return
        with suppress(OSError):  # the folder is not empty, or does not exist
            folder.rmdir()


def _write(path: Path, text: str) -> None:
    """Write a file atomically; if `path` is a symbolic link, write the file that it points to."""
    with io.atomic_outputs(path.resolve()) as (partial,):
        io.write_text(partial, text)
