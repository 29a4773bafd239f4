"""Find what can be removed from a project; nothing is written."""

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from dvc import dvcfile
from dvc.exceptions import DvcException

from tandem.core import io, paths
from tandem.core.errors import LineageError, StageError
from tandem.core.wording import file_size
from tandem.lineage import graph as lineage
from tandem.lineage.revisions import git
from tandem.workspace.clean_up.edits import has_ignore_line, read_edited_files
from tandem.workspace.clean_up.file_checks import MARK, FileChecks, files_below, marks
from tandem.workspace.clean_up.outputs import Output, Outputs
from tandem.workspace.clean_up.owners import Owners
from tandem.workspace.clean_up.plan import Kept, Plan, Removal
from tandem.workspace.read_only import read_only_repo

LONG = 500_000_000
"""Number of bytes that take about a second to read."""


def examine() -> Plan:
    """What can be removed from the project in this folder; nothing is written.

    Raises:
        StageError: dvc.yaml or dvc.lock cannot be read.
    """
    with io.gc_paused(), read_only_repo() as repo:
        try:
            plan = Plan(Owners.of(repo), read_edited_files())
            artifacts = dvcfile.ProjectFile(repo, str(Path(repo.root_dir, paths.DAG))).artifacts
        except DvcException as error:
            problem = " ".join(str(error).split())
            raise StageError(f"DVC cannot read the pipeline: {problem}") from error
        cache = Path(repo.cache.local.path)
    outputs = Outputs(plan.owners, cache)
    plan.entries = outputs.read_lock(plan.read.get(paths.LOCK, b""))
    outputs.read_records()
    _announce(outputs.known)
    for path, output in sorted(outputs.known.items()):
        removal, kept = _examine_output(path, output, plan.owners, cache)
        plan.removals += [removal] if removal else []
        plan.kept += kept
    if any(removal.copy == "none" for removal in plan.removals):
        tracked = _tracked()
        plan.removals = [_found_in_git(removal, tracked) for removal in plan.removals]
    removed = {file for removal in plan.removals for file in removal.files}
    for path in sorted(outputs.known):
        if not plan.owners.owner(path) and not _remains(path, removed) and has_ignore_line(path):
            plan.ignored.append(path)
    for name, artifact in artifacts.items():
        path = os.path.normpath((artifact or {}).get("path", ""))
        if path != "." and not plan.owners.overlapping(path) and not _remains(path, removed):
            plan.artifacts.append(name)
    return plan


def _found_in_git(removal: Removal, tracked: frozenset[str]) -> Removal:
    """`removal`, with `copy` changed from `none` to `git` if Git tracks all of its files."""
    files = {str(file) for file in removal.files if file.name != MARK}
    is_there = removal.copy == "none" and files <= tracked
    return replace(removal, copy="git") if is_there else removal


def _tracked() -> frozenset[str]:
    """The files that Git tracks in this folder."""
    try:
        listed = git("ls-files", "-z").decode(errors="replace")
    except LineageError:  # Git is not installed, or the project is not in a Git repository
        return frozenset()
    return frozenset(listed.split("\0"))


def _announce(outputs: Iterable[str]) -> None:
    """Tell a user at a terminal that files are being read, if this takes more than a second."""
    files = [file for path in outputs for file in [Path(path), *files_below(Path(path))]]
    size = sum(file.stat().st_size for file in files if file.is_file())
    if size > LONG and sys.stderr.isatty():
        print(
            f"tandem: reading {file_size(size)} of files to compare them with recorded hashes",
            file=sys.stderr,
        )


def _examine_output(
    path: str, output: Output, owners: Owners, cache: Path
) -> tuple[Removal | None, list[Kept]]:
    """The files of an output that may be removed, and those that are kept, with the reasons."""
    target = Path(path)
    if not os.path.lexists(target):
        return None, []
    if reason := _reason_to_keep(path, output, owners):
        return None, [Kept(path, reason)]
    judge = FileChecks(path, output, cache)
    if not target.is_dir() or target.is_symlink():
        reason = judge.file(target, output.hashes)
        files = {} if reason else {target: marks(target)}
        kept = [Kept(path, reason)] if reason else []
    else:
        files, kept = judge.folder(owners.below(path))
    if not files and (kept or owners.below(path)):
        return None, kept
    copy = "cache" if judge.is_cached() else "none"
    return Removal(path, output.stage, files, copy), kept


def _reason_to_keep(path: str, output: Output, owners: Owners) -> str:
    """Why an output is kept as a whole, whatever it contains; empty if there is no reason."""
    if not lineage.is_inside(path) or path in ("", "."):
        return "is outside of the project"
    if reason := owners.owner(path):
        return reason
    if not output.hashes and not output.verified:
        return f"its MD5 is not in {paths.LOCK}"
    for parent in PurePosixPath(path).parents:
        if Path(parent).is_symlink():
            return f"{parent} is a symbolic link"
    return ""


def _remains(path: str, removed: set[Path]) -> bool:
    """Whether anything is left at a path after the files in `removed` are gone."""
    target = Path(path)
    if not target.is_dir() or target.is_symlink():
        return os.path.lexists(target) and target not in removed
    return any(file not in removed for file in files_below(target))
