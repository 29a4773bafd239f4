"""Identify packages, sources, licenses and commits for other tools: purl, URL, digest, SPDX id.

The identifiers come from records and from Git; no network access is needed.
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
from tandem.core.raw_records import DatasetInfo
from tandem.engines.code_closure import normalized
from tandem.lineage.revisions import git

COMMIT_HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CommitInfo:
    """A commit and its time.

    Exports contain only the times of commits, not the current time, so that they are reproducible.
    """

    commit: str
    """The hash of the commit; empty if there is no commit."""
    time: str
    """ISO 8601, UTC."""


NO_COMMIT = CommitInfo("", "1970-01-01T00:00:00+00:00")
"""A placeholder for records that are not committed: some export formats require a time."""


@dataclass(frozen=True)
class Source:
    """A pinned source of data, weights or word lists."""

    name: str
    version: str = ""
    uri: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    """An in-toto DigestSet: `sha256` of a file, or `gitCommit` of a Hugging Face repository."""
    license: str = ""

    @property
    def id(self) -> str:
        """A unique identifier: the URI, or a URN built from the digest."""
        return self.uri or ":".join(("urn", *min(self.digest.items(), default=("name", self.name))))


def last_commit(root: Path, *paths: Path) -> CommitInfo:
    """The last commit; `NO_COMMIT` if there is none.

    If `paths` are given, only the commits that changed them are considered.
    """
    try:
        fields = git("log", "-1", "--format=%H %ct", "--", *map(str, paths), root=root).split()
    except LineageError:
        return NO_COMMIT
    if not fields:
        return NO_COMMIT
    time = datetime.fromtimestamp(int(fields[1]), tz=UTC).isoformat()
    return CommitInfo(fields[0].decode(), time)


def changes(root: Path) -> list[tuple[str, str]]:
    """Uncommitted changes: the two-letter `git status` code (`??` if untracked), and the path."""
    status = git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", root=root)
    entries = status.decode(errors="replace").split("\0")
    return [(entry[:2], entry[3:]) for entry in entries if entry]


def purl(name: str, version: str) -> str:
    """The package URL of a package on PyPI (package-url specification, type `pypi`).

    >>> purl("ruamel.yaml", "0.19.1")
    'pkg:pypi/ruamel-yaml@0.19.1'
    """
    return f"pkg:pypi/{normalized(name)}@{quote(version, safe='')}"


def sources(records: Iterable[RunRecord]) -> list[Source]:
    """The distinct pinned sources of `records`, sorted by id."""
    by_id = {source.id: source for record in records for source in map(_source, record.sources)}
    return [by_id[key] for key in sorted(by_id)]


def _source(pin: Mapping[str, Any]) -> Source:
    fields = {key: value for key, value in pin.items() if isinstance(value, str)}
    version, sha256 = fields.get("version", ""), fields.get("sha256", "")
    revision, path = fields.get("revision", ""), fields.get("path", "")
    uri, digest = "", {"sha256": sha256} if sha256 else {}
    if version and "name" in fields:
        # The checksum tells the wheel and the sdist of a version apart.
        checksum = f"?checksum=sha256:{sha256}" if sha256 else ""
        uri = purl(fields["name"], version) + checksum
    elif revision:
        prefix = "datasets/" if "split" in fields else ""  # only datasets have a split
        uri = f"https://huggingface.co/{prefix}{path}/tree/{revision}"
        key = "gitCommit" if COMMIT_HASH.fullmatch(revision) else "revision"
        digest |= {key: revision}
    name = fields.get("name", "") if version else path or fields.get("name", "")
    return Source(name or sha256, version or revision, uri, digest, fields.get("license", ""))


def task_of(record: RunRecord) -> str:
    """The task of a stage: `intent` for `fetch@intent`."""
    return record.stage.partition("@")[2]


def about(record: RunRecord) -> DatasetInfo | None:
    """Title, license, citation and limitations of the rows that a stage fetched.

    The information comes from the params of the stage's source. The result is None if the stage
    fetched no rows.

    Raises:
        LineageError: this version of Tandem has no source that accepts the params.
    """
    settings = record.params.get(f"{task_of(record)}.fetch")
    if not isinstance(settings, Mapping) or not isinstance(settings.get("source"), Mapping):
        return None
    source = settings["source"]
    try:
        module = registry.load("sources", str(source.get("kind")))
        return cast(DatasetInfo, module.origin(module.Params.model_validate(source)).about)
    except (ValidationError, UnknownName) as error:
        problem = " ".join(str(error).split())[:120]
        raise LineageError(
            f"the record of {record.stage} contains a source that this version of Tandem cannot "
            f"read: {problem}"
        ) from None
