"""`tandem doctor`: check that a run can succeed and reproduce the recorded results bit for bit.

tandem doctor               print one line per result; exit code 1 if there is a problem, else 0
tandem doctor --json        print the results as JSON
tandem doctor --add KIND    add this machine's kind of CPU to workflow/fingerprints as KIND

A problem is reported in one line that ends with a suggested fix.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tandem.core import params, paths
from tandem.core.errors import TandemError
from tandem.machine import fingerprint
from tandem.machine.fingerprint import FOLDER, Fingerprint, shorten
from tandem.patches import installed_version, mkl
from tandem.sharing.merge import git_setup

GIGABYTE = 1e9
NEEDED = 5 * GIGABYTE
"""Disk space in bytes that the default pipeline may need, including cache and temporary files."""
DOCUMENT = "docs/determinism.md"

State = Literal["ok", "note", "problem"]
Results = Iterator[tuple[State, str]]
"""The results of a check; each is a state and a message."""


@dataclass(frozen=True)
class Line:
    """One result of a check."""

    check: str
    state: State
    message: str

    def __str__(self) -> str:
        return f"{self.state:8}{self.check}: {self.message}"


def main(add_kind: str = "", as_json: bool = False) -> int:
    """Run all checks, or add a fingerprint of this machine's CPU, and print the results.

    Args:
        add_kind: The name of the kind of CPU to add; if it is empty, the checks are run.
        as_json: Whether to print JSON instead of a line per result.

    Returns:
        1 if there is a problem, else 0.

    Raises:
        TandemError: the name of the new kind of CPU is not valid.
    """
    if add_kind and not add_kind.replace("-", "").isalnum():
        raise TandemError(
            f"the name of a kind of CPU may contain only letters, digits and dashes: {add_kind!r}"
        )
    lines = []
    for line in [_add(add_kind)] if add_kind else examine():
        lines.append(line)
        if not as_json:
            print(line, flush=True)
    if as_json:
        print(json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=2))
    return int(any(line.state == "problem" for line in lines))


def _add(kind: str) -> Line:
    """Write the fingerprint of this machine as the fingerprint of a new kind of CPU."""
    path = fingerprint.add(kind, fingerprint.current(params.project().runtime))
    return Line("kernels", "ok", f"{path} is written: commit it")


def examine() -> Iterator[Line]:
    """Run the checks in turn and yield their results, while a thread computes the fingerprint."""
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(lambda: fingerprint.current(params.project().runtime))
        checks: list[tuple[str, Callable[[], Results]]] = [
            ("python", python),
            ("packages", packages),
            ("git", git),
            ("dvc", dvc),
            ("disk", disk),
            ("mkl", dispatch),
            ("kernels", lambda: kernels(computed.result())),
        ]
        for name, check in checks:
            try:
                for state, message in check():
                    yield Line(name, state, message)
            except TandemError as error:
                yield Line(name, "problem", str(error))


def python() -> Results:
    """Check that pyproject.toml allows this version of Python."""
    from packaging.specifiers import SpecifierSet

    required = tomllib.loads(Path("pyproject.toml").read_text())["project"]["requires-python"]
    version = platform.python_version()
    if SpecifierSet(required).contains(version, prereleases=True):
        yield "ok", f"{version} at {sys.executable}"
    else:
        cure = "run `make setup` with a version in that range"
        yield "problem", f"{version}, but pyproject.toml requires {required}: {cure}"


def packages() -> Results:
    """Check that the installed packages have the versions in requirements.lock."""
    from tandem.engines.code_closure import locked_versions

    locked = locked_versions()
    wrong = []
    for name, version in locked.items():
        installed = installed_version(name) or "missing"
        if installed != version.partition("+")[0]:
            wrong.append(f"{name} {installed} (locked {version})")
    if wrong:
        yield "problem", f"{shorten(wrong)}: run `make setup`"
    else:
        yield "ok", f"all {len(locked)} of {paths.REQUIREMENTS}"


def git() -> Results:
    """Check that the user can read the Git repository and that Git can merge dvc.lock."""
    if not shutil.which("git"):
        yield "problem", "git is not installed: install it"
        return
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = next(iter(done.stderr.strip().splitlines()), "no reason given")
        cure = "clone the project with Git, or fix the problem that Git reports"
        if "dubious ownership" in reason:
            cure = f"run `git config --global --add safe.directory {Path.cwd()}`"
        yield "problem", f"{reason}: {cure}"
    else:
        yield "ok", f"commit {done.stdout.strip()} can be read"
        if problem := git_setup.problem():
            yield "note", problem


def dvc() -> Results:
    """Check that this is a DVC project with a writable cache and a readable remote."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            cache = Path(repo.cache.local.path)
            links, config = repo.cache.local.cache_types, repo.config
    except DvcException as error:
        yield "problem", f"{error}: run `dvc init`, or clone the project again"
        return
    yield from _cache(cache, links)
    yield from _remote(config)


def _cache(cache: Path, links: list[str]) -> Results:
    """Check that the cache is writable and that its link type leaves outputs writable."""
    nearest = next(path for path in (cache, *cache.parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        problem = f"cache {cache} cannot be written to ({error.strerror})"
        yield "problem", f"{problem}: make it writable"
        return
    if set(links) & {"hardlink", "symlink"}:
        cure = "run `dvc config cache.type reflink,copy`"
        yield "problem", f"cache.type {','.join(links)} makes outputs read-only: {cure}"
    else:
        yield "ok", f"cache {cache} is writable, with link type {' or '.join(links)}"


def _remote(config: Any) -> Results:
    """Check the default remote if it is a folder; other remotes are not checked."""
    name = config["core"].get("remote")
    if not name:
        yield (
            "note",
            "no default remote, so results stay on this machine: see `dvc remote add --default`",
        )
        return
    url = config["remote"].get(name, {}).get("url")
    if not url:
        yield "problem", f"default remote {name} has no URL: run `dvc remote add --default`"
    elif "://" in url:
        yield "note", f"remote {name} ({url}) is not checked; use `dvc status --cloud`"
    elif not os.access(url, os.R_OK | os.X_OK):
        yield "problem", f"folder {url} of remote {name} cannot be read: mount or create it"
    else:
        yield "ok", f"remote {name} is the folder {url}"


def disk() -> Results:
    """Check that there is enough disk space for a run."""
    free = shutil.disk_usage(".").free
    if free < NEEDED:
        message = f"{free / GIGABYTE:.1f} GB free, but a run may need {NEEDED / GIGABYTE:.0f} GB"
        yield "problem", f"{message}: remove files, or run `dvc gc --workspace`"
    else:
        yield "ok", f"{free / GIGABYTE:.0f} GB free"


def dispatch() -> Results:
    """Check that MKL's CPU dispatch can be set."""
    reason = mkl.unavailable()
    if reason:
        cure = f"run `make setup`, or see {DOCUMENT}"
        yield "problem", f"MKL's CPU dispatch cannot be set ({reason}): {cure}"
    else:
        yield "ok", f"MKL's CPU dispatch can be set to {mkl.CANONICAL!r}"


def kernels(this: Fingerprint) -> Results:
    """Check that the kernels on this machine reproduce the recorded results bit for bit."""
    committed = fingerprint.committed()
    recorded = {name: other for name, other in committed.items() if other.recorded}
    if not recorded:
        cure = "run `tandem doctor --add KIND`"
        yield "problem", f"no CPU in {FOLDER} is marked as `recorded`: {cure}"
        return
    comparable = {name: other for name, other in recorded.items() if other.is_comparable(this)}
    if not comparable:
        cure = f"run `make setup`, or restore `runtime` in {paths.PARAMS}"
        yield "problem", f"{_setting_differences(this, next(iter(recorded.values())))}: {cure}"
        return
    for name, other in comparable.items():
        names = this.differing_kernels(other)
        if names:
            same = [kind for kind in committed if not committed[kind].differing_kernels(this)]
            alike = (
                f"This CPU gives the same results as {same[0]} in {FOLDER}"
                if same
                else "To record this kind of CPU, run `tandem doctor --add KIND`"
            )
            yield (
                "problem",
                f"the results of {len(names)} of {len(this.kernels)} kernels are not bit-identical "
                f"to those of {name} ({shorten(names)}), so models that are trained on this "
                f"machine differ from the recorded ones; see {DOCUMENT}. {alike}",
            )
        else:
            yield (
                "ok",
                f"the results of all {len(this.kernels)} kernels match those of {name} bit for bit "
                f"({this.digest})",
            )


def _setting_differences(this: Fingerprint, recorded: Fingerprint) -> str:
    """The differences between two fingerprints in package versions and pinned settings."""
    mine, theirs = this.versions | this.pins, recorded.versions | recorded.pins
    names = [name for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name)]
    differences = [
        f"{n} is {mine.get(n, 'none')}, but {theirs.get(n, 'none')} is recorded" for n in names
    ]
    return f"the kernels' results cannot be compared, because {shorten(differences)}"
