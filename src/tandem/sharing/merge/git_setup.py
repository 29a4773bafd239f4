"""Set up the project's Git merge drivers: `tandem setup-git`.

    .gitattributes    names the driver of each kind of file; is committed, so all clones contain it
    .git/config       defines the drivers' commands; each clone has its own, shared by its worktrees

Git runs a driver only if .gitattributes names it and .git/config defines it. Otherwise, Git merges
dvc.lock and the stage outputs as text.
"""

import shlex
import shutil
import sys
from pathlib import Path

from tandem.core import io, paths
from tandem.core.errors import LineageError, StageError
from tandem.lineage.revisions import git

ATTRIBUTES = Path(".gitattributes")
LOCK_DRIVER = "tandem-lock"
OUTPUT_DRIVER = "tandem-output"
NAMED = {
    "dvc.lock": LOCK_DRIVER,
    "/reports/details/**/*.json": OUTPUT_DRIVER,
    "/reports/lineage/**/*.json": OUTPUT_DRIVER,
    "/reports/metrics/**/*.json": OUTPUT_DRIVER,
    "/reports/summary.json": OUTPUT_DRIVER,
}
"""Pattern in .gitattributes (relative to the project's root) → name of the driver."""
COMMENT = "# tandem setup-git: Git merges dvc.lock by stage, and never merges stage outputs as text"
UNSET = ("unspecified", "set")
"""The values that Git reports for a path whose attribute `merge` names no driver."""


def driver_commands() -> dict[str, tuple[str, str]]:
    """Driver → its description and the command that Git runs.

    Git runs the driver `tandem-output` on each stage output that both sides changed. The stage that
    writes such a file is stale after the merge, so the driver's command is `true`, which keeps our
    version until the stage writes the file again.
    """
    python = shlex.quote(sys.executable).replace("%", "%%")
    lock = f"{python} -P -m tandem.sharing.merge.driver %O %A %B %P"
    return {
        LOCK_DRIVER: ("merge dvc.lock by stage", lock),
        OUTPUT_DRIVER: ("keep our version of a file until its stage writes it again", "true"),
    }


def set_up() -> list[str]:
    """Install the drivers in this clone, and name them in .gitattributes if necessary.

    Returns:
        The lines that were added to .gitattributes.

    Raises:
        StageError: .gitattributes assigns another driver to a file.
        LineageError: this is not a Git repository, or a Git command fails.
    """
    missing = _unnamed()
    for driver, (description, command) in driver_commands().items():
        git("config", f"merge.{driver}.name", description)
        git("config", f"merge.{driver}.driver", command)
    lines = [f"{pattern} merge={driver}" for pattern, driver in missing.items()]
    if lines:
        old = ATTRIBUTES.read_text(encoding="utf-8") if ATTRIBUTES.exists() else ""
        start = old if not old or old.endswith("\n") else f"{old}\n"
        partial = ATTRIBUTES.with_name(io.PARTIAL + ATTRIBUTES.name)
        io.write_text(partial, start + "\n".join([COMMENT, *lines, ""]))
        partial.replace(ATTRIBUTES)
    return lines


def _unnamed() -> dict[str, str]:
    """Pattern → driver, for the patterns in `NAMED` for which Git finds no driver.

    Raises:
        StageError: .gitattributes assigns another driver to a file.
    """
    missing = {}
    for pattern, driver in NAMED.items():
        current = _attribute(pattern)
        if current in UNSET:
            missing[pattern] = driver
        elif current != driver:
            raise StageError(
                f"{ATTRIBUTES} sets merge={current} for {pattern}: remove that attribute, then run "
                "`tandem setup-git` again"
            )
    return missing


def _attribute(pattern: str) -> str:
    """The value of the attribute `merge` for a path that matches `pattern`."""
    path = pattern.lstrip("/").replace("**", "x").replace("*", "x")
    return git("check-attr", "-z", "merge", "--", path).decode().split("\0")[2]


def problem() -> str | None:
    """Why Git cannot run the driver that .gitattributes names for dvc.lock, and how to fix this.

    The result is None if Git can run the driver, or if .gitattributes names another driver or none.
    """
    if _attribute(str(paths.LOCK)) != LOCK_DRIVER:
        return None
    try:
        command = git("config", f"merge.{LOCK_DRIVER}.driver").decode().replace("%%", "%")
    except LineageError:
        command = ""
    program = next(iter(shlex.split(command)), "")
    if program and shutil.which(program):
        return None
    reason = f"{program} is missing" if program else "the driver is not set up in this clone"
    return f"Git cannot merge {paths.LOCK} by stage, because {reason}: run `tandem setup-git`"
