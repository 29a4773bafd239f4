"""Read single files out of a wheel, a zip or a tar, in memory: nothing is ever unpacked.

So no member's path can reach outside a folder, and a link in an archive leads nowhere. An archive
that would expand to far more than its own size is refused before it is read.
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

MOST_TIMES = 200
"""An archive expands to at most its own size times this; text in deflate takes 3 to 20."""
FREE = 1 << 30
"""Bytes that any archive may expand to."""
LARGEST_READ = 4 << 30
"""Bytes of a member that is read into memory at once."""
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    LookupError,  # a zip's member without a name
    # an encrypted member, an unknown method of compression
    RuntimeError,
    NotImplementedError,
)
"""What Python's readers raise for an archive that is damaged."""


class Archive(ABC):
    """The regular files of an archive, by their names inside it."""

    label: str
    names: list[str]
    """All names of regular files, sorted."""
    links: list[str]
    """Names of what is neither a regular file nor a folder: links, devices, pipes."""

    def __init__(self, label: str, names: Iterable[str], links: Iterable[str]) -> None:
        self.label, self.names, self.links = label, sorted(names), sorted(links)
        self._counts = Counter(self.names)

    @abstractmethod
    def member(self, name: str) -> IO[bytes] | None:
        """A member to read from, of those in `names`."""

    def open(self, name: str) -> BinaryIO:
        """A member to read from.

        Raises:
            SourceError: there is none of this name, or more than one.
        """
        if name not in self._counts:
            raise SourceError(f"{self.label} holds no {name}: is it the version that was meant?")
        if self._counts[name] > 1:
            raise SourceError(f"{self.label} holds {name} more than once: which one is meant?")
        with readable(self.label):
            found = self.member(name)
            if found is None:
                raise ValueError(f"{name} has no content")
        return cast(BinaryIO, _Member(found, f"{self.label}: {name}"))

    def read(self, name: str) -> bytes:
        """A member's bytes.

        Raises:
            SourceError: there is no such member, it is damaged or too large.
        """
        with self.open(name) as member:
            content = member.read(LARGEST_READ + 1)
        if len(content) > LARGEST_READ:
            raise SourceError(f"{self.label}: {name} is larger than {LARGEST_READ >> 30} GiB")
        return content

    def check(self) -> None:
        """Check that every name is one of a file below the archive's root.

        Raises:
            SourceError: one leads upwards, is absolute, or is a name on some systems only.
        """
        for name in (*self.names, *self.links):
            if refused := why_outside(name):
                raise SourceError(
                    f"{self.label}: the member {ascii(name)[:200]} {refused}: nothing of it is used"
                )

    def check_plain(self, folder: str) -> None:
        """Check that right in `folder`, which ends with a slash, there are only plain files.

        Raises:
            SourceError: there is a link, a device or a pipe.
        """
        for name in self.links:
            if name.startswith(folder) and "/" not in name.removeprefix(folder):
                raise SourceError(f"{self.label}: {name} is a link or a device, not a file")


class ZipArchive(Archive):
    """A zip, of which a wheel is one."""

    def __init__(self, file: zipfile.ZipFile, label: str, packed: int) -> None:
        members = [info for info in file.infolist() if not info.is_dir()]
        _refuse_bomb(label, packed, (info.file_size for info in members))
        links = {info.filename for info in members if _is_link(info)}
        names = (info.filename for info in members if info.filename not in links)
        super().__init__(label, names, links)
        self._file = file

    def member(self, name: str) -> IO[bytes]:
        """A member to read from."""
        return self._file.open(name)


class TarArchive(Archive):
    """A tar, compressed or not, of which an sdist is one; links in it are not followed."""

    def __init__(self, file: tarfile.TarFile, label: str, packed: int) -> None:
        members: list[tarfile.TarInfo] = []

        def sizes() -> Iterator[int]:  # each is asked for before the next header is looked for
            for member in file:
                members.append(member)
                yield member.size

        _refuse_bomb(label, packed, sizes())
        regular = [member for member in members if member.isreg()]
        links = (m.name for m in members if not m.isreg() and not m.isdir())
        super().__init__(label, (member.name for member in regular), links)
        self._file = file
        self._members = {member.name: member for member in regular}

    def member(self, name: str) -> IO[bytes] | None:
        """A member to read from."""
        return self._file.extractfile(self._members[name])


class _Member(io.RawIOBase):
    """A member whose damage is a SourceError."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        self._file = file
        self._label = label

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        with readable(self._label):
            return self._file.read(-1 if size is None else size)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_archive(content: Path | bytes, label: str) -> Archive:
    """The archive in a file or in memory; `label` names it in messages.

    Raises:
        SourceError: it is neither a zip nor a tar, or expands to far too much.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    try:
        packed = file.seek(0, io.SEEK_END)
        file.seek(0)
        if zipfile.is_zipfile(file):
            return ZipArchive(zipfile.ZipFile(file), label, packed)
        file.seek(0)
        return TarArchive(tarfile.open(fileobj=file), label, packed)
    except BROKEN as error:
        problem = " ".join(str(error).split())
        raise SourceError(f"{label} is neither a zip nor a tar: {problem}") from None


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Turn what a reader raises for damage into one line.

    Raises:
        SourceError: the archive is damaged.
    """
    try:
        yield
    except BROKEN as error:
        raise SourceError(f"{label} is damaged: {' '.join(str(error).split())}") from None


def _refuse_bomb(label: str, packed: int, sizes: Iterable[int]) -> None:
    """Raises SourceError as soon as `sizes` of members add up to far more than `packed` bytes."""
    limit = max(FREE, MOST_TIMES * packed)
    total = 0
    for size in sizes:
        total += size
        if total > limit:
            raise SourceError(f"{label} has {packed} bytes and expands to {total}: it is not read")


def _is_link(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a link, a device or a pipe, by the mode that Unix systems store."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind not in (0, stat.S_IFREG)
