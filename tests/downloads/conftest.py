"""A package on a local index, so that most tests of downloads need no network."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from tandem.downloads.pypi import Pin

DIST = "tinycorpus-1.0.dist-info"
METADATA = "Metadata-Version: 2.1\nName: tinycorpus\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index; the download cache is empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def pin(index: Path) -> Pin:
    """The pin of a wheel on the local index."""
    wheel = index / "tinycorpus-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tinycorpus/rows.txt", "one\ntwo\n")
        file.writestr(f"{DIST}/METADATA", METADATA)
        file.writestr(f"{DIST}/WHEEL", WHEEL)
        file.writestr(f"{DIST}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Pin(name="tinycorpus", version="1.0", sha256=digest, sdist=False)
