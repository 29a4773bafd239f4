"""The outputs of removed stages, with the hashes of what the stages wrote."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.lineage import graph as lineage
from tandem.workspace.clean_up.owners import Owners


@dataclass
class Output:
    """What is known about an output of a removed stage."""

    stage: str
    hashes: set[str] = field(default_factory=set)
    """The recorded MD5s of the file or, for a folder, of DVC's list of its files."""
    files: dict[str, set[str]] = field(default_factory=dict)
    """For a folder: path of a file in it → the recorded MD5s of the file."""
    verified: bool = False
    """Whether the content is known to come from a removed stage, without comparing hashes."""


class Outputs:
    """The outputs of removed stages, according to dvc.lock and the records in reports/lineage."""

    def __init__(self, owners: Owners, cache: Path) -> None:
        self.owners, self.cache = owners, cache
        self.known: dict[str, Output] = {}

    def read_lock(self, content: bytes) -> list[str]:
        """Add the outputs that dvc.lock lists for removed stages; return the stages' names."""
        stages = (io.parse_yaml(content.decode()) if content else {}).get("stages") or {}
        removed = [name for name in stages if name not in self.owners.names]
        for name in removed:
            for out in stages[name].get("outs", ()):
                output = self.known.setdefault(out["path"], Output(name))
                if md5 := out.get("md5"):
                    output.hashes.add(md5)
                    self._list(output, md5)
        return removed

    def read_records(self) -> None:
        """Add the outputs listed in the records of removed stages, and the records themselves."""
        for path in lineage.files():
            try:
                record = lineage.parse(path.read_bytes(), path)
            except (LineageError, OSError):
                continue  # the file is not a record, so it is kept
            if record.stage in self.owners.everywhere or lineage.record_of(record.stage) != str(
                path
            ):
                continue
            for name, digest in record.outputs.items():
                output = self.known.setdefault(name, Output(record.stage))
                output.hashes.add(digest.md5)
                for file, its in (digest.files or {}).items():
                    output.files.setdefault(file, set()).add(its.md5)
            own = self.known.setdefault(str(path), Output(record.stage))
            own.verified = not own.hashes

    def _list(self, output: Output, md5: str) -> None:
        """Add a folder's files from their list in DVC's cache, if the cache contains the list."""
        if md5.endswith(".dir"):
            with suppress(OSError, ValueError, LookupError, TypeError):
                for entry in json.loads((self.cache / md5[:2] / md5[2:]).read_bytes()):
                    output.files.setdefault(entry["relpath"], set()).add(entry["md5"])
