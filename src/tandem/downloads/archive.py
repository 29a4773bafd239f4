"""Read individual members of a zip or tar archive without unpacking the archive to disk.

Because nothing is unpacked, no member can overwrite files by path traversal, and links are not
followed. An archive that would expand to far more than its own size is rejected before any member
is read.
"""

import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from tandem.core.errors import SourceError
from tandem.core.io import why_outside

MAX_EXPANSION = 200
"""Maximum ratio of uncompressed to compressed size.

For text compressed with Deflate, the ratio is 3 to 20.
"""
ALWAYS_ALLOWED = 1 << 30
"""Number of bytes that an archive may expand to even if its own size is small."""
MAX_READ = 4 << 30
"""Maximum size in bytes of a member that is read into memory."""
READ_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    LookupError,  # a zip member without a name
    RuntimeError,  # an encrypted member
    NotImplementedError,  # an unknown compression method
)
"""Exceptions that Python's archive modules raise for a damaged archive."""


class Archive(ABC):
    """An archive whose regular files can be read by name."""

    label: str
    names: list[str]
    """Names of all regular files, sorted."""
    links: list[str]
    """Names of links, devices and pipes, sorted."""

    def __init__(self, label: str, names: Iterable[str], links: Iterable[str]) -> None:
        self.label, self.names, self.links = label, sorted(names), sorted(links)
        self._counts = Counter(self.names)

    @abstractmethod
    def open_member(self, name: str) -> IO[bytes] | None:
        """Open the member `name`; return None if it has no content."""

    def open(self, name: str) -> BinaryIO:
        """Open a member for reading.

        Raises:
            SourceError: there is no member `name`, or more than one.
        """
        if name not in self._counts:
            raise SourceError(
                f"{self.label} has no file {name}: check the file name, and the name and version "
                "of the package"
            )
        if self._counts[name] > 1:
            raise SourceError(f"{self.label} contains {name} more than once, which is ambiguous")
        with read_errors(self.label):
            member = self.open_member(name)
            if member is None:
                raise ValueError(f"{name} has no content")
        return cast(BinaryIO, _Member(member, f"{self.label}: {name}"))

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            SourceError: there is no such member, or it is damaged or too large.
        """
        with self.open(name) as member:
            content = member.read(MAX_READ + 1)
        if len(content) > MAX_READ:
            raise SourceError(f"{self.label}: {name} is larger than {MAX_READ >> 30} GiB")
        return content

    def check(self) -> None:
        """Check that the name of every member is a path inside the archive.

        Raises:
            SourceError: a name contains `..` as a part, is absolute, or is invalid on some systems.
        """
        for name in (*self.names, *self.links):
            if reason := why_outside(name):
                raise SourceError(
                    f"{self.label}: the member {ascii(name)[:200]} {reason}; "
                    "the package was not used"
                )

    def check_plain(self, folder: str) -> None:
        """Check that there are no links, devices or pipes directly in `folder`.

        Args:
            folder: The path of a folder in the archive, with a slash at the end.

        Raises:
            SourceError: the folder contains a link, a device or a pipe.
        """
        for name in self.links:
            if name.startswith(folder) and "/" not in name.removeprefix(folder):
                raise SourceError(
                    f"{self.label}: {name} is a link, a device or a pipe, not a regular file"
                )


class ZipArchive(Archive):
    """A zip archive, such as a wheel."""

    def __init__(self, file: zipfile.ZipFile, label: str, packed_size: int) -> None:
        members = [info for info in file.infolist() if not info.is_dir()]
        _reject_bomb(label, packed_size, (info.file_size for info in members))
        links = {info.filename for info in members if _is_link(info)}
        names = (info.filename for info in members if info.filename not in links)
        super().__init__(label, names, links)
        self._file = file

    def open_member(self, name: str) -> IO[bytes]:
        """Open the member `name`."""
        return self._file.open(name)


class TarArchive(Archive):
    """A tar archive, compressed or not, such as an sdist; its links are not followed."""

    def __init__(self, file: tarfile.TarFile, label: str, packed_size: int) -> None:
        members: list[tarfile.TarInfo] = []

        def sizes() -> Iterator[int]:  # lazy, so that a decompression bomb is rejected early
            for member in file:
                members.append(member)
                yield member.size

        _reject_bomb(label, packed_size, sizes())
        regular = [member for member in members if member.isreg()]
        links = (m.name for m in members if not m.isreg() and not m.isdir())
        super().__init__(label, (member.name for member in regular), links)
        self._file = file
        self._members = {member.name: member for member in regular}

    def open_member(self, name: str) -> IO[bytes] | None:
        """Open the member `name`."""
        return self._file.extractfile(self._members[name])


class _Member(io.RawIOBase):
    """An open member, whose `read` raises a SourceError if the member is damaged."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        self._file = file
        self._label = label

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with read_errors(self._label):
            return self._file.read(-1 if size is None else size)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_archive(content: Path | bytes, label: str) -> Archive:
    """Open an archive in a file or in memory; error messages refer to it by `label`.

    Raises:
        SourceError: `content` is neither a zip nor a tar archive, or expands to too many bytes.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    try:
        packed_size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if zipfile.is_zipfile(file):
            return ZipArchive(zipfile.ZipFile(file), label, packed_size)
        file.seek(0)
        return TarArchive(tarfile.open(fileobj=file), label, packed_size)
    except READ_ERRORS as error:
        reason = " ".join(str(error).split())
        raise SourceError(f"{label} is neither a zip nor a tar archive: {reason}") from None


@contextmanager
def read_errors(label: str) -> Iterator[None]:
    """Convert the exceptions in READ_ERRORS to a SourceError.

    Raises:
        SourceError: the archive is damaged.
    """
    try:
        yield
    except READ_ERRORS as error:
        raise SourceError(f"{label} is damaged: {' '.join(str(error).split())}") from None


def _reject_bomb(label: str, packed_size: int, sizes: Iterable[int]) -> None:
    """Check the `sizes` of the members against the size of the archive, in bytes.

    Raises:
        SourceError: the sizes add up to far more than the size of the archive.
    """
    limit = max(ALWAYS_ALLOWED, MAX_EXPANSION * packed_size)
    total = 0
    for size in sizes:
        total += size
        if total > limit:
            raise SourceError(
                f"{label} has {packed_size} bytes but expands to at least {total} bytes; "
                "it was not read"
            )


def _is_link(info: zipfile.ZipInfo) -> bool:
    """Return whether a member is a link, a device or a pipe, according to its Unix mode."""
    file_type = stat.S_IFMT(info.external_attr >> 16)
    return file_type not in (0, stat.S_IFREG)
