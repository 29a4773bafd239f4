"""What the records point at outside of themselves, by the names that the world knows it by.

A package has a purl, a pinned source a purl or an address and a digest, data an owner's license
and citation, the whole a commit. Nothing is asked of the net: all is in params or in Git.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from pydantic import ValidationError

from tandem.core import registry
from tandem.core.errors import LineageError, UnknownName
from tandem.core.provenance import RunRecord
from tandem.engines.code_closure import normalized
from tandem.lineage.revisions import git
from tandem.sources import DatasetInfo

HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CommitInfo:
    """A commit and when it was made, as Git knows it: the only clock that an export may read."""

    commit: str
    time: str
    """ISO 8601, UTC."""


NO_COMMIT = CommitInfo("", "1970-01-01T00:00:00+00:00")
"""Where the records are in no commit: a time has to stand in some formats, and no clock may."""


@dataclass(frozen=True)
class Source:
    """A pinned source of data, weights or words."""

    name: str
    version: str = ""
    uri: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    """As in-toto has it: `sha256` of the one file, or `gitCommit` of a hub's repository."""
    license: str = ""

    @property
    def id(self) -> str:
        """A name for it alone: where it is, with what it holds."""
        return self.uri or ":".join(("urn", *min(self.digest.items(), default=("name", self.name))))


def last_commit(root: Path, *paths: Path) -> CommitInfo:
    """The last commit that touched `paths`, or any; NO_COMMIT if there is none."""
    try:
        told = git("log", "-1", "--format=%H %ct", "--", *map(str, paths), root=root).split()
    except LineageError:
        return NO_COMMIT
    if not told:
        return NO_COMMIT
    time = datetime.fromtimestamp(int(told[1]), tz=UTC).isoformat()
    return CommitInfo(told[0].decode(), time)


def changes(root: Path) -> list[tuple[str, str]]:
    """What differs from the last commit: Git's two letters for how (`??` if new), and the path."""
    told = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", root=root)
    entries = told.decode(errors="replace").split("\0")
    return [(entry[:2], entry[3:]) for entry in entries if entry]


def purl(name: str, version: str) -> str:
    """The package URL of a package on the Python index (package-url specification, type pypi).

    >>> purl("ruamel.yaml", "0.19.1")
    'pkg:pypi/ruamel-yaml@0.19.1'
    """
    return f"pkg:pypi/{normalized(name)}@{quote(version, safe='')}"


def sources(records: Iterable[RunRecord]) -> list[Source]:
    """The pinned sources of `records`, each once, sorted by their ids."""
    found = {source.id: source for record in records for source in map(_source, record.sources)}
    return [found[key] for key in sorted(found)]


def _source(pin: Mapping[str, Any]) -> Source:
    known = {key: value for key, value in pin.items() if isinstance(value, str)}
    version, sha256 = known.get("version", ""), known.get("sha256", "")
    revision, path = known.get("revision", ""), known.get("path", "")
    uri, digest = "", {"sha256": sha256} if sha256 else {}
    if version and "name" in known:
        checked = f"?checksum=sha256:{sha256}" if sha256 else ""  # it may be wheel or sdist
        uri = purl(known["name"], version) + checked
    elif revision:
        kind = "datasets/" if "split" in known else ""  # only data has one
        uri = f"https://huggingface.co/{kind}{path}/tree/{revision}"
        key = "gitCommit" if HASH.fullmatch(revision) else "revision"
        digest |= {key: revision}
    name = known.get("name", "") if version else path or known.get("name", "")
    return Source(name or sha256, version or revision, uri, digest, known.get("license", ""))


def task_of(record: RunRecord) -> str:
    """The task that a stage ran for: `intent` of `fetch@intent`."""
    return record.stage.partition("@")[2]


def about(record: RunRecord) -> DatasetInfo | None:
    """What a data card tells of the rows, from the params of the `fetch` that wrote it.

    None if the stage fetched no rows.

    Raises:
        LineageError: its params are not those of any source known here.
    """
    settings = record.params.get(f"{task_of(record)}.fetch")
    if not isinstance(settings, Mapping) or not isinstance(settings.get("source"), Mapping):
        return None
    given = settings["source"]
    try:
        module = registry.load("sources", str(given.get("kind")))
        return cast(DatasetInfo, module.origin(module.Params.model_validate(given)).about)
    except (ValidationError, UnknownName) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(
            f"the record of {record.stage} names a source that this Tandem cannot read: {problem}"
        ) from None
