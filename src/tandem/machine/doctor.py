"""`tandem doctor` checks that this machine is fit for a run and computes the recorded bits.

tandem doctor               a line per check; exit code 1 if there is a problem, else 0
tandem doctor --json        the same as JSON
tandem doctor --add KIND    add this kind of CPU to workflow/fingerprints

Every problem is one line that ends in its cure.
"""

import json as text
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
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from tandem.core import params, paths
from tandem.core.errors import TandemError
from tandem.machine.fingerprint import FOLDER, Fingerprint, add, here, kinds, shown
from tandem.patches import mkl

GIGABYTE = 1e9
NEEDED = 5 * GIGABYTE
"""Free disk that a run may need: models, cache and temporary copies of the default run."""
DOCUMENT = "docs/determinism.md"


@dataclass(frozen=True)
class Line:
    """What one check found."""

    check: str
    state: Literal["ok", "note", "problem"]
    message: str

    def __str__(self) -> str:
        return f"{self.state:8}{self.check}: {self.message}"


def main(add_kind: str = "", json: bool = False) -> int:
    """Run all checks, or add a kind of CPU, and print a line for each; 1 for a problem, else 0.

    Raises:
        TandemError: the name of a new kind is not that of a file.
    """
    if add_kind and not add_kind.replace("-", "").isalnum():
        raise TandemError(f"--add takes letters, digits and dashes, not {add_kind!r}")
    lines = []
    for line in [_added(add_kind)] if add_kind else examine():
        lines.append(line)
        if not json:
            print(line, flush=True)
    if json:
        print(text.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=2))
    return int(any(line.state == "problem" for line in lines))


def _added(kind: str) -> Line:
    """Write the file of a new kind of CPU."""
    path = add(kind, here(params.project().runtime))
    return Line("kernels", "ok", f"{path} is written: commit it")


def examine() -> Iterator[Line]:
    """A line of each check, in turn; the kernels are computed during the other checks."""
    with ThreadPoolExecutor(1) as pool:
        computed = pool.submit(lambda: here(params.project().runtime))
        checks: list[tuple[str, Callable[[], Iterator[tuple[str, str]]]]] = [
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
                    yield Line(name, state, message)  # type: ignore[arg-type]
            except TandemError as error:
                yield Line(name, "problem", str(error))


def python() -> Iterator[tuple[str, str]]:
    """Whether this Python is one that pyproject.toml allows."""
    from packaging.specifiers import SpecifierSet

    wanted = tomllib.loads(Path("pyproject.toml").read_text())["project"]["requires-python"]
    version = platform.python_version()
    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield "ok", f"{version} at {sys.executable}"
    else:
        yield "problem", f"{version}, but pyproject.toml asks for {wanted}: run `make setup` in one"


def packages() -> Iterator[tuple[str, str]]:
    """Whether what is installed are the versions of requirements.lock."""
    from tandem.engines.code_closure import locked_versions

    locked = locked_versions()
    wrong = []
    for name, version in locked.items():
        try:
            installed = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version.partition("+")[0]:
            wrong.append(f"{name} {installed} (locked {version})")
    if wrong:
        yield "problem", f"{shown(wrong)}: run `make setup`"
    else:
        yield "ok", f"all {len(locked)} of {paths.REQUIREMENTS}"


def git() -> Iterator[tuple[str, str]]:
    """Whether this is a Git repository, and Git lets this user read it."""
    if not shutil.which("git"):
        yield "problem", "git is not installed: install it"
        return
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = next(iter(done.stderr.strip().splitlines()), "no reason given")
        cure = "clone the project, or do what Git advises"
        if "dubious ownership" in reason:
            cure = f"run `git config --global --add safe.directory {Path.cwd()}`"
        yield "problem", f"{reason}: {cure}"
    else:
        yield "ok", f"commit {done.stdout.strip()} can be read"


def dvc() -> Iterator[tuple[str, str]]:
    """Whether DVC is here, its cache can be written to, and its remote can be reached."""
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


def _cache(cache: Path, links: list[str]) -> Iterator[tuple[str, str]]:
    nearest = next(path for path in (cache, *cache.parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        yield "problem", f"its cache {cache} cannot be written to ({error.strerror}): make it yours"
        return
    if set(links) & {"hardlink", "symlink"}:
        cure = "run `dvc config cache.type reflink,copy`"
        yield "problem", f"cache.type {','.join(links)} makes outputs read-only: {cure}"
    else:
        yield "ok", f"cache {cache} can be written to, by {' or '.join(links)}"


def _remote(config: Any) -> Iterator[tuple[str, str]]:
    name = config["core"].get("remote")
    if not name:
        yield "note", "no default remote, so results stay here: see `dvc remote add --default`"
        return
    url = config["remote"].get(name, {}).get("url")
    if not url:
        yield "problem", f"default remote {name} has no URL: run `dvc remote add --default`"
    elif "://" in url:
        yield "note", f"remote {name} is {url}; not asked, `dvc status --cloud` does"
    elif not os.access(url, os.R_OK | os.X_OK):
        yield "problem", f"remote {name}: folder {url} cannot be read: mount or create it"
    else:
        yield "ok", f"remote {name} is the folder {url}"


def disk() -> Iterator[tuple[str, str]]:
    """Whether there is room for a run."""
    free = shutil.disk_usage(".").free
    if free < NEEDED:
        message = f"{free / GIGABYTE:.1f} GB free, a run may need {NEEDED / GIGABYTE:.0f}"
        yield "problem", f"{message}: remove files, or run `dvc gc --workspace`"
    else:
        yield "ok", f"{free / GIGABYTE:.0f} GB free"


def dispatch() -> Iterator[tuple[str, str]]:
    """Whether MKL's dispatch can be set."""
    reason = mkl.unavailable()
    if reason:
        yield "problem", f"its dispatch cannot be set: {reason}; run `make setup`, see {DOCUMENT}"
    else:
        yield "ok", f"its dispatch can be set to {mkl.CANONICAL!r}"


def kernels(this: Fingerprint) -> Iterator[tuple[str, str]]:
    """Whether this machine computes the bits that were recorded, and which kernels do not."""
    known = kinds()
    recorded = {name: kind for name, kind in known.items() if kind.recorded}
    if not recorded:
        yield "problem", f"{FOLDER} has no recorded kind: run `tandem doctor --add KIND`"
        return
    comparable = {name: kind for name, kind in recorded.items() if kind.same_setting(this)}
    if not comparable:
        cure = f"`make setup`, or restore runtime in {paths.PARAMS}"
        yield "problem", f"{_other_setting(this, next(iter(recorded.values())))}: {cure}"
        return
    for name, kind in comparable.items():
        names = this.differing(kind)
        if names:
            same = [other for other, its in known.items() if not its.differing(this)]
            alike = f"as on {same[0]}" if same else "a new kind; `tandem doctor --add KIND` adds it"
            yield (
                "problem",
                f"{len(names)} of {len(this.kernels)} compute other bits than on {name}, {alike}: "
                f"{shown(names)}: trained models get other bytes here, see {DOCUMENT}",
            )
        else:
            yield "ok", f"all {len(this.kernels)} compute the bits of {name} ({this.digest})"


def _other_setting(this: Fingerprint, recorded: Fingerprint) -> str:
    """What differs but for the CPU."""
    mine, theirs = this.versions | this.pins, recorded.versions | recorded.pins
    names = [name for name in sorted(mine | theirs) if mine.get(name) != theirs.get(name)]
    told = [f"{n} is {mine.get(n, 'none')}, recorded {theirs.get(n, 'none')}" for n in names]
    return f"cannot be compared: {shown(told)}"
