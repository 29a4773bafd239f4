"""Read single files out of a wheel, a zip or a tar, in memory: nothing is ever unpacked.

So no member's path can reach outside a folder, and a link in an archive leads nowhere.
"""

import io
import tarfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import BinaryIO, cast

from tandem.core.errors import SourceError


class Archive(ABC):
    """The regular files of an archive, by their names inside it."""

    label: str

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """All names, sorted."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """A member to read from; raises SourceError if there is none of this name."""

    def read(self, name: str) -> bytes:
        """A member's bytes."""
        with self.open(name) as member:
            return member.read()

    def missing(self, name: str) -> SourceError:
        """What to raise where a member is expected and missing."""
        return SourceError(f"{self.label} holds no {name}: is it the version that was meant?")


class ZipArchive(Archive):
    """A zip, of which a wheel is one."""

    def __init__(self, file: zipfile.ZipFile, label: str) -> None:
        self.label = label
        self._file = file

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(info.filename for info in self._file.infolist() if not info.is_dir())

    def open(self, name: str) -> BinaryIO:
        """A member to read from."""
        try:
            return cast(BinaryIO, self._file.open(name))
        except KeyError:
            raise self.missing(name) from None


class TarArchive(Archive):
    """A tar, compressed or not, of which an sdist is one; links in it are not followed."""

    def __init__(self, file: tarfile.TarFile, label: str) -> None:
        self.label = label
        self._file = file
        self._members = {member.name: member for member in file if member.isreg()}

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def open(self, name: str) -> BinaryIO:
        """A member to read from."""
        if name not in self._members:
            raise self.missing(name)
        return cast(BinaryIO, self._file.extractfile(self._members[name]))


def open_archive(content: Path | bytes, label: str) -> Archive:
    """The archive in a file or in memory; `label` names it in messages.

    Raises:
        SourceError: it is neither a zip nor a tar.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    try:
        if zipfile.is_zipfile(file):
            return ZipArchive(zipfile.ZipFile(file), label)
        file.seek(0)
        return TarArchive(tarfile.open(fileobj=file), label)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise SourceError(f"{label} is neither a zip nor a tar: {error}") from None
