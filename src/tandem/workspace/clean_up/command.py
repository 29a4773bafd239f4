"""The command `tandem clean-up`: list what can be removed, ask the user, and remove it."""

import json
import sys
import textwrap
from pathlib import Path

from tandem.core import paths
from tandem.core.wording import counted, file_size
from tandem.workspace.clean_up.examination import examine
from tandem.workspace.clean_up.plan import Plan
from tandem.workspace.clean_up.removal import remove

SHOWN = 20
"""Maximum number of kept paths that are printed; `--json` lists all."""


def main(yes: bool, as_json: bool) -> int:
    """List what no longer belongs to any stage; remove it if `yes` is true or the user agrees.

    Returns:
        0 if nothing is left to remove, 1 if something can be removed but was not.

    Raises:
        StageError: dvc.yaml or dvc.lock cannot be read, or another command is running in the
            project.
    """
    plan = examine()
    if not as_json:
        print("\n".join(lines(plan)))
    agreed = bool(plan) and (yes or (not as_json and _agreed()))
    if agreed:
        kept = remove(plan)
        plan.kept += kept
    if as_json:
        print(json.dumps(plan.as_json(agreed), ensure_ascii=False, indent=2))
    elif agreed:
        print(summary(plan))
    return int(bool(plan) and not agreed)


def _agreed() -> bool:
    """Ask for confirmation; without a terminal, do not ask and return false."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return input("Remove all of this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def lines(plan: Plan) -> list[str]:
    """The plan as lines of text for the user."""
    printed: list[str] = []
    if not plan:
        printed.append("nothing to remove")
    else:
        printed.append("to be removed, because they belong to no stage in dvc.yaml:")
        for removal in plan.removals:
            note = ", the only copy" if removal.copy == "none" else ""
            size = file_size(removal.size)
            printed.append(f"  {size:>10}  {removal.path}  ({removal.stage}{note})")
        for path in plan.ignored:
            output = Path(path)
            printed.append(f"  {'1 line':>10}  {output.parent / '.gitignore'}  (/{output.name})")
        for name in plan.artifacts:
            printed.append(f"  {'1 entry':>10}  {paths.DAG}  (artifacts: {name})")
        if plan.entries:
            count = counted(len(plan.entries), "entry", "entries")
            start = f"  {count:>10}  {paths.LOCK}  "
            printed += textwrap.wrap(
                f"({', '.join(plan.entries)})", 100, initial_indent=start,
                subsequent_indent=" " * len(start), break_on_hyphens=False,
            )  # fmt: skip
    if plan.kept:
        printed.append("kept:")
        printed += [f"  {kept.path}  {kept.reason}" for kept in plan.kept[:SHOWN]]
    if len(plan.kept) > SHOWN:
        printed.append(f"  and {len(plan.kept) - SHOWN} more: see --json")
    if plan:
        printed.append(
            "copies in DVC's cache and remote are kept; `dvc gc --workspace` removes them, with "
            "`--cloud` also from the remote"
        )
    return printed


def summary(plan: Plan) -> str:
    """What was removed, in one line."""
    parts = [f"{counted(len(plan.removals), 'output')} ({file_size(plan.size)})"]
    if plan.entries:
        parts.append(f"{counted(len(plan.entries), 'entry', 'entries')} of {paths.LOCK}")
    if plan.artifacts:
        parts.append(f"{counted(len(plan.artifacts), 'artifact')} of {paths.DAG}")
    if plan.ignored:
        parts.append(f"{counted(len(plan.ignored), 'line')} of .gitignore")
    kept = f"; kept {counted(len(plan.kept), 'path')}" if plan.kept else ""
    return f"removed {', '.join(parts)}{kept}"
