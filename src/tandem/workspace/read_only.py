"""Open a project with DVC's `Repo`, without writing anything.

DVC's own `Repo` creates folders for its locks and its checksums, stores checksums that it computes,
and refuses to read a damaged dvc.lock. The `Repo` of this module takes no locks, keeps computed
checksums in memory, and reports a damaged dvc.lock.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, PrettyDvcException
from dvc.repo import Repo
from dvc_data.hashfile.state import State
from ruamel.yaml.error import YAMLError

from tandem.core import io, paths
from tandem.core.errors import StageError
from tandem.engines import locks
from tandem.patches import dvc

LOCK_READS = 5
"""How many times to try to read a complete dvc.lock, which DVC does not write atomically."""
CONFLICT = "has merge conflict markers"


@contextmanager
def read_only_repo() -> Iterator[Any]:
    """DVC's `Repo` for the project in this folder, opened without writing anything.

    Raises:
        StageError: the current folder is not the root of a project.
    """
    if not paths.DAG.exists():
        raise StageError(
            f"there is no {paths.DAG} here: run the command in the root of the project"
        )
    dvc.patch_planning()
    with tempfile.TemporaryDirectory() as spare:
        try:
            repo = _ReadOnlyRepo(spare)
        except DvcException as error:
            raise StageError(" ".join(str(error).split())) from error
        with repo:
            if Path(repo.root_dir) != Path.cwd():
                raise StageError(
                    f"the root of the project is {repo.root_dir}: run the command there"
                )
            yield repo


@contextmanager
def lenient_locks(notes: list[str]) -> Iterator[None]:
    """Make DVC read the backup copy of a damaged dvc.lock or, without a usable copy, an empty file.

    A line for each damaged file is added to `notes`.

    Raises:
        StageError: dvc.lock is damaged, and the installed version of DVC cannot be patched.
    """
    contents: dict[str, dict[str, Any]] = {}

    def load_once(lockfile: Any) -> dict[str, Any]:
        if lockfile.path not in contents:
            contents[lockfile.path] = _read_lock(lockfile, notes)
        return contents[lockfile.path]

    try:
        with dvc.lock_reader(load_once):
            yield
    except PrettyDvcException as error:
        raise StageError(" ".join(str(error).split())) from error


def _read_lock(lockfile: Any, notes: list[str]) -> dict[str, Any]:
    """The content of a dvc.lock or of its backup copy; empty if neither file is valid."""
    path, problem = Path(lockfile.path), ""
    for attempt in range(LOCK_READS):
        if attempt:
            time.sleep(0.1)
        problem, content = _parse_lock(lockfile, path)
        if not problem:
            return content
    copy = locks.LOCK_COPY
    if path == Path.cwd() / paths.LOCK and problem != CONFLICT and copy.exists():
        unusable, content = _parse_lock(lockfile, copy)
        if not unusable:
            cure = "a copy is read instead, and the next run of snakemake restores the file"
            notes.append(f"{lockfile.relpath} {problem}; {cure}")
            return content
    cure = "run `tandem merge-lock`" if problem == CONFLICT else "restore it from Git"
    notes.append(f"{lockfile.relpath} {problem}: {cure}")
    return {}


def _parse_lock(lockfile: Any, path: Path) -> tuple[str, dict[str, Any]]:
    """What is wrong with a dvc.lock, if anything, and its content."""
    try:
        text = path.read_text(encoding="utf-8")
        content = io.parse_yaml(text)
        if not text.endswith("\n") or not isinstance(content, dict) or "stages" not in content:
            return "is cut short", {}
        return "", lockfile.validate(content)
    except FileNotFoundError:
        return "", {}
    except (UnicodeDecodeError, YAMLError, DvcException) as error:
        if "<<<<<<<" in path.read_text(encoding="utf-8", errors="replace"):
            return CONFLICT, {}
        return f"is damaged ({' '.join(str(error).split())[:80]})", {}


class _Checksums:
    """DVC's cache of checksums by path, opened for reading; new checksums stay in memory.

    This class implements those methods of DVC's `HashesCache` that DVC's `State` calls.
    """

    def __init__(self, path: Path) -> None:
        self._computed: dict[str, str] = {}
        self._database: sqlite3.Connection | None = None
        if path.exists():
            # If there is no write-ahead log, no process has the database open. `immutable` then
            # keeps SQLite from creating a log.
            log = path.with_name(f"{path.name}-wal")
            unchanging = not (log.exists() and log.stat().st_size)
            options = "mode=ro" + ("&immutable=1" if unchanging else "")
            with suppress(sqlite3.Error):
                self._database = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True)

    def get(self, key: str) -> str | None:
        """The cached entry for a path; None if there is no entry."""
        if key in self._computed or self._database is None:
            return self._computed.get(key)
        try:
            query = "SELECT value FROM Cache WHERE key = ? AND raw = 1"
            row = self._database.execute(query, (key,)).fetchone()
        except sqlite3.Error:  # another process is writing to the database: hash the file again
            return None
        return row[0] if row else None

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, str | None]]:
        """Each path with its cached entry, or with None."""
        return ((key, self.get(key)) for key in keys)

    def set_many(self, items: Iterable[tuple[str, str]]) -> None:
        """Keep entries in memory until the process ends."""
        self._computed.update(items)

    def __setitem__(self, key: str, value: str) -> None:
        self._computed[key] = value

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()


class _ReadOnlyRepo(Repo):  # type: ignore[misc]
    """A DVC `Repo` that writes neither to the project nor to DVC's own folders.

    DVC's `Repo` creates a folder for locks, a folder for its cache of checksums, and entries in
    .gitignore. This class creates the folders for locks and checksums in `spare`, does not change
    .gitignore, and takes no locks.
    """

    state: Any

    def __init__(self, spare: str) -> None:
        self.tmp_dir = spare
        self.site_cache_dir = spare
        super().__init__(os.curdir)
        self.state.close()
        self.state = State()
        self.state.links = self.state.hashes = _Checksums(self._checksums())
        for _, store in self.cache.by_scheme():
            if store is not None:
                store.state = self.state

    def _ignore(self) -> None:
        pass

    def _checksums(self) -> Path:
        """Path of DVC's cache of checksums; there is no such file before DVC's first run."""
        own = Path(self.dvc_dir) / "tmp"
        if not (own / "btime").exists():  # DVC would create this file to locate the cache
            return own / "none"
        spare, self.tmp_dir = self.tmp_dir, str(own)
        del self.site_cache_dir  # DVC computes the attribute again, from its own folder
        database = Path(self.site_cache_dir, "hashes", "local", "cache.db")
        self.tmp_dir = self.site_cache_dir = spare
        return database
