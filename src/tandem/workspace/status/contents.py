"""The contents of files and folders in the workspace and in DVC's cache, as hashes."""

import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc_data.hashfile.build import build
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from tandem.core import paths


@dataclass(frozen=True)
class Content:
    """A file or folder, identified by DVC's hash."""

    md5: str
    files: Mapping[str, str] | None
    """For a folder, path of each file → MD5, or None if unknown; for a file, None."""
    strays: Sequence[str] = ()
    """The files in `files` that no stage writes."""

    @property
    def is_folder(self) -> bool:
        """Whether this is the content of a folder."""
        return self.md5.endswith(".dir")


def _part(files: Mapping[str, str], within: str) -> Content | None:
    """The file or folder at the relative path `within` in a folder that contains `files`."""
    if within in files:
        return Content(files[within], None)
    start = f"{within}/"
    below = {n.removeprefix(start): md5 for n, md5 in files.items() if n.startswith(start)}
    return Content(_folder_md5(below), below) if below else None


def _folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder, computed from the list of its files (`Tree` of dvc_data)."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    text = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"


class Contents:
    """Looks up what outputs and dependencies contain.

    Outputs and dependencies are DVC's own objects; their `hash_info` is the hash in dvc.lock or in
    a .dvc file.
    """

    def __init__(self, repo: Any) -> None:
        self.store = repo.cache.local
        self.here = functools.cache(self._here)

    def whole(self, dep: Any, outs: Sequence[Any]) -> Content | None:
        """What a dependency contains once the `outs` that overlap with it are up to date.

        None if the content of the dependency is not known.
        """
        exact = [out for out in outs if out.fs_path == dep.fs_path]
        if exact:
            return self.settled(exact[0])
        files: dict[str, str] = {}
        for out in outs:
            settled = self.settled(out)
            if settled is None:
                return None
            if len(str(out.fs_path)) < len(str(dep.fs_path)):  # the dependency is inside `out`
                within = os.path.relpath(dep.fs_path, out.fs_path)
                return None if settled.files is None else _part(settled.files, within)
            within = os.path.relpath(out.fs_path, dep.fs_path)
            if not settled.is_folder:
                files[within] = settled.md5
            elif settled.files is None:
                return None
            else:
                files |= {f"{within}/{name}": md5 for name, md5 in settled.files.items()}
        # If a dependency is a folder, its hash also covers files that are not outputs.
        here = self.here(dep.fs_path, dep)
        roots = [os.path.relpath(out.fs_path, dep.fs_path) for out in outs]
        strays = {
            name: md5
            for name, md5 in ((here and here.files) or {}).items()
            if not any(paths.overlap(root, name) for root in roots)
        }
        files |= strays
        return Content(_folder_md5(files), files, tuple(strays))

    def settled(self, out: Any) -> Content | None:
        """What an output contains once it is up to date, if no stage upstream has changed.

        None if the output's stage has never run.
        """
        if not out.stage.cmd and (here := self.here(out.fs_path, out)) is not None:
            return here  # DVC accepts edits to data that a .dvc file tracks
        md5 = out.hash_info.value
        if not md5:
            return None
        here = self.here(out.fs_path, out)
        if here is not None and here.md5 == md5:
            return here
        return Content(md5, self.listed(md5))

    def _here(self, _path: str, item: Any) -> Content | None:
        """The current content of an output or a dependency; None if it does not exist."""
        if not item.exists:
            return None
        try:
            _, _, found = build(
                item.local_cache, item.fs_path, item.fs, item.hash_name,
                ignore=item.dvcignore, dry_run=True,
            )  # fmt: skip
        except FileNotFoundError:  # a dangling link, or a path that a stage has just removed
            return None
        files = None
        if isinstance(found, Tree):
            files = {"/".join(key): digest.value for key, _, digest in found}
        return Content(str(found.hash_info.value), files)

    def listed(self, md5: str) -> dict[str, str] | None:
        """The files of a folder, from their list in DVC's cache; None if the list is missing."""
        if not md5.endswith(".dir"):
            return None
        try:
            entries = json.loads(self.object(md5).read_bytes())
            return {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
        except (OSError, ValueError, LookupError, TypeError, ObjectFormatError):
            return None

    def object(self, md5: str) -> Path:
        """The path of an object in DVC's cache."""
        return Path(self.store.oid_to_path(md5))

    def is_cached(self, md5: str) -> bool:
        """Whether DVC's cache contains an object and, for a folder, all of its files."""
        if not self.object(md5).exists():
            return False
        files = self.listed(md5) or {}
        return all(self.object(file).exists() for file in files.values())


def differing(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> list[str]:
    """The names of the files that differ between two folders; empty if `old` or `new` is None."""
    if old is None or new is None:
        return []
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
