import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tandem.core.errors import SourceError
from tandem.downloads.archive import open_archive


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as file:
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_a_zip_and_a_tar_are_read_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("b/c.txt", "d")
    for content in (path, tar((tarfile.TarInfo("b/c.txt"), b"d"))):
        archive = open_archive(content, "package")
        assert archive.names == ["b/c.txt"]
        assert archive.read("b/c.txt") == b"d"


def test_links_and_upward_paths_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    archive = open_archive(tar((link, b""), (tarfile.TarInfo("../up"), b"up")), "package")
    assert archive.names == ["../up"]
    with pytest.raises(SourceError, match="package has no file link"):
        archive.read("link")
    assert archive.read("../up") == b"up"
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 99, b"PK\x03\x04 cut"])
def test_a_file_that_is_not_an_archive_is_an_error(content: bytes) -> None:
    with pytest.raises(SourceError, match="package is neither a zip nor a tar"):
        open_archive(content, "package")


def test_the_error_for_a_missing_member_names_the_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="package has no file z"):
        open_archive(tar((tarfile.TarInfo("a"), b"")), "package").read("z")
