"""Distinguish the files that a removed stage wrote from those that a person added or edited."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tandem.core.provenance import is_ignored
from tandem.workspace.clean_up.outputs import Output
from tandem.workspace.clean_up.plan import Kept, Marks

MARK = ".snakemake_timestamp"
"""The file that Snakemake writes into each output folder; it is removed with the folder."""


class FileChecks:
    """Distinguishes the files that a removed stage wrote from all others."""

    def __init__(self, path: str, output: Output, cache: Path) -> None:
        self.path, self.output, self.cache = path, output, cache

    def file(self, file: Path, hashes: Iterable[str]) -> str:
        """Why a file is kept; empty if it may be removed.

        `hashes` are the recorded MD5s of the file.
        """
        if file.is_symlink():
            # With `cache.type symlink`, outputs are links into DVC's cache. The path of a link's
            # target contains the MD5 of the content.
            target = Path(os.path.realpath(file))
            linked = {self.cache.resolve() / md5[:2] / md5[2:] for md5 in hashes}
            return "" if target in linked else "is a symbolic link"
        if not file.is_file():
            return "is no longer a file"
        if self.output.verified or md5(file) in hashes:
            return ""
        return f"is not what {self.output.stage} wrote"

    def is_cached(self) -> bool:
        """Whether DVC's cache contains what the stage wrote."""
        files = [hashes for hashes in self.output.files.values() if hashes]
        return all(
            any((self.cache / md5[:2] / md5[2:]).exists() for md5 in hashes)
            for hashes in (self.output.hashes, *files)
        )

    def folder(self, owned: Sequence[str]) -> tuple[dict[Path, Marks], list[Kept]]:
        """The files to remove and the files to keep; the outputs in `owned` are left out."""
        removed: dict[Path, Marks] = {}
        kept: list[Kept] = []
        found = [file for file in files_below(Path(self.path)) if not _is_below(file, owned)]
        names = {file: file.relative_to(self.path).as_posix() for file in found}
        if not self.output.files:
            self._recognize(names)
        for file, name in names.items():
            reason = ""
            if file.name != MARK:
                hashes = self.output.files.get(name)
                reason = self.file(file, hashes) if hashes else "no stage wrote it"
                if not self.output.files:
                    reason = f"may have been changed or added after {self.output.stage} ran"
            if reason:
                kept.append(Kept(str(file), reason))
            else:
                removed[file] = marks(file)
        return removed, kept

    def _recognize(self, names: Mapping[Path, str]) -> None:
        """Accept all files in a folder if the folder's hash, computed from them, is recorded."""
        files = {
            name: md5(file)
            for file, name in names.items()
            if file.is_file() and not any(map(is_ignored, PurePosixPath(name).parts))
        }
        listed = [{"md5": files[name], "relpath": name} for name in sorted(files)]
        text = json.dumps(listed, sort_keys=True).encode()
        if hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir" in self.output.hashes:
            self.output.files = {name: {md5} for name, md5 in files.items()}


def files_below(folder: Path) -> Iterator[Path]:
    """All files and symbolic links below a folder; links are not followed."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if Path(here, name).is_symlink()]
        yield from (Path(here, name) for name in sorted([*names, *links]))


def _is_below(file: Path, folders: Iterable[str]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)


def md5(file: Path) -> str:
    """The MD5 of a file, as DVC computes it."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def marks(file: Path) -> Marks:
    """Metadata that shows, without reading a file, whether the file has been changed."""
    stat = file.lstat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
