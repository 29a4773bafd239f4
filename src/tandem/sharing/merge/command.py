"""Run `tandem setup-git` or `tandem merge-lock`, and print the result."""

import json

from tandem.core.wording import counted
from tandem.sharing.merge import git_setup, resolution, versions
from tandem.sharing.merge.resolution import Resolution


def set_up_git(as_json: bool) -> None:
    """Install the merge drivers, and print the result."""
    lines = git_setup.set_up()
    if as_json:
        commands = {name: command for name, (_, command) in git_setup.driver_commands().items()}
        print(json.dumps({"drivers": commands, "attributes": lines}, indent=2))
        return
    print("Git merges dvc.lock by stage in this clone and its worktrees")
    if lines:
        print(f"{counted(len(lines), 'line')} added to {git_setup.ATTRIBUTES}: commit the file")


def merge_lock(as_json: bool) -> None:
    """Merge dvc.lock if Git did not merge it by stage, and print the result."""
    done = resolution.resolve()
    if as_json:
        print(json.dumps(_as_json(done or Resolution({}, [], [])), indent=2))
        return
    if done is None:
        print("nothing to merge: no file is in conflict, and HEAD is not a merge commit")
        return
    for path, merged in done.locks.items():
        print(versions.summary(path, merged))
    files = counted(len(done.files), "file")
    print(f"resolved {files} written by stages, in agreement with dvc.lock")
    if done.left:
        names = versions.listed(done.left)
        print(f"still in conflict, because no stage writes them: {names}")


def _as_json(done: Resolution) -> dict[str, object]:
    """The JSON object that `tandem merge-lock --json` prints."""
    return {
        "locks": {
            path: {"theirs": merged.theirs, "stale": merged.stale}
            for path, merged in done.locks.items()
        },
        "files": done.files,
        "left": done.left,
    }
