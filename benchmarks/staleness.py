"""Count the stages that each recent commit to src made stale, under two rules.

    python benchmarks/staleness.py --commits 60

Under the rule `folders`, which applied until decision 0008, a stage becomes stale if a commit
changes a source file or a file of locked package versions that dvc.yaml lists as a dependency of
the stage. Under the rule `closure`, a stage becomes stale if a commit changes the digests of the
stage's import closure, which ignore comments and docstrings.

Only changes in a stage's own code count, because downstream stages are skipped if their inputs turn
out to be unchanged. The code that checks params is left out of the closures, because until decision
0008 it was in a module that every stage imports.
"""

import argparse
import ast
import subprocess
import tempfile
from pathlib import Path

from tandem.core import params
from tandem.core.errors import TandemError
from tandem.engines import dvc_stages
from tandem.engines.code_closure import Closures

DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
NEEDED = ("src", "dvc.yaml", "params.yaml", "requirements.lock")


def git(*arguments: str) -> str:
    """The output of a Git command."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def unpack(commit: str, folder: Path) -> None:
    """Write to `folder` the files of `commit` from which import closures are computed."""
    for path in NEEDED:
        if git("ls-tree", "--name-only", commit, path):
            archive = subprocess.run(
                ["git", "archive", commit, path], capture_output=True, check=True
            )
            subprocess.run(["tar", "-xf", "-", "-C", folder], input=archive.stdout, check=True)


def codes(root: Path) -> dict[str, dict[str, str]]:
    """Stage → the digests of its import closure."""
    closures, content = Closures(root), params.read(root / "params.yaml")
    return {
        stage.name: {
            name: digest
            for module in closures.closure(stage, content).values()
            for name, digest in module.digests.items()
        }
        for stage in dvc_stages.stages(root)
    }


def move_checks(root: Path) -> None:
    """Remove from core/params.py the definitions that moved to modules that no stage imports."""
    core = Path(params.__file__).parent
    moved = {
        node.name
        for name in ("params_check.py", "params_file.py")
        for node in ast.parse((core / name).read_text()).body
        if isinstance(node, DEFINITIONS)
    }
    path = root / "src/tandem/core/params.py"
    tree = ast.parse(path.read_text())
    tree.body = [n for n in tree.body if not isinstance(n, DEFINITIONS) or n.name not in moved]
    path.write_text(ast.unparse(tree))


def count(commit: str) -> tuple[int, int, int]:
    """The number of stages, and how many of them `commit` made stale under each rule."""
    with tempfile.TemporaryDirectory() as old, tempfile.TemporaryDirectory() as new:
        unpack(f"{commit}^", Path(old))
        unpack(commit, Path(new))
        move_checks(Path(old))
        move_checks(Path(new))
        changed = git("diff", "--name-only", f"{commit}^", commit).splitlines()
        stages = {stage.name: stage for stage in dvc_stages.stages(Path(new))}
        before, after = codes(Path(old)), codes(Path(new))
    by_folder = {
        name
        for name, stage in stages.items()
        for dep in stage.deps
        if dep.startswith(("src/", "workflow/"))
        and any(f"{path}/".startswith(f"{dep}/") for path in changed)
    }
    shared = stages.keys() & before.keys()
    by_closure = {name for name in shared if before[name] != after[name]}
    return len(stages), len(by_folder & shared), len(by_closure)


def main() -> None:
    """Print one line per commit, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--commits", type=int, default=60)
    parser.add_argument("--to", default="HEAD", help="the last commit to count")
    options = parser.parse_args()
    log = git("log", f"-{options.commits}", "--format=%h %s", options.to, "--", "src")
    sums = [0, 0, 0, 0]
    print("stages  folders  closure  commit")
    for line in log.splitlines():
        commit = line.partition(" ")[0]
        try:
            stages, by_folder, by_closure = count(commit)
        except TandemError as error:
            print(f"{'':25}{line}: cannot be read: {error}")
            continue
        print(f"{stages:6} {by_folder:8} {by_closure:8}  {line}")
        all_stale = by_folder == stages, by_closure == stages
        sums = [n + m for n, m in zip(sums, (by_folder, by_closure, *all_stale), strict=True)]
    print(f"       {sums[0]:8} {sums[1]:8}  stages made stale, of all commits")
    print(f"       {sums[2]:8} {sums[3]:8}  commits that made all stages stale")


if __name__ == "__main__":
    main()
