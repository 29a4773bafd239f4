"""An entry at a time gives dvc.lock the bytes that DVC gives it."""

import random
from pathlib import Path
from typing import Any

import pytest
from dvc import lock as locks
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.utils.serialize import parse_yaml
from ruamel.yaml.resolver import VersionedResolver

from tandem import lockfile

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "dvc.lock").read_text(encoding="utf-8")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project's stages with what its dvc.lock says of them, in a folder without their files."""
    for name in ("dvc.yaml", "params.yaml", "dvc.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return Repo.init(str(tmp_path), no_scm=True)


@pytest.mark.parametrize("hastened", [False, True])
def test_entries_are_written_as_dvc_writes_them(
    hastened: bool, repo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some stages are written anew into the whole file, and the first ones into none."""
    if hastened:
        as_it_comes_back(monkeypatch)
        lockfile.hasten()
    stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
    order = [
        title.strip().rstrip(":") for title in LOCK.splitlines() if lockfile.ENTRY.match(title)
    ]
    stages.sort(key=lambda stage: order.index(stage.name))
    path = tmp_path / "dvc.lock"
    lock = Lockfile(repo, str(path))
    for stage in random.Random(1).sample(stages, 5):
        lock.dump_stages([stage])
        assert path.read_text(encoding="utf-8") == LOCK
    path.unlink()
    for stage in stages[:8]:
        lock.dump_stages([stage])
    assert LOCK.startswith(path.read_text(encoding="utf-8"))
    assert path.read_text(encoding="utf-8").count("\n    cmd: ") == 8


def test_a_lock_is_read_as_dvc_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = LOCK + "    note: [no, 0o7, 1e3, 1_000, 0123, ~, 'yes', 2026-11-25, 0x1F, .5]\n"
    known = parse_yaml(odd, "dvc.lock")
    as_it_comes_back(monkeypatch)
    lockfile.hasten()
    assert parse_yaml(odd, "dvc.lock") == known


def as_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the test, what `hasten` changes is as it was."""
    monkeypatch.setattr(Lockfile, "dump_stages", Lockfile.dump_stages)
    monkeypatch.setattr(VersionedResolver, "processing_version", (1, 2))
    monkeypatch.setattr(locks, "DEFAULT_TIMEOUT", locks.DEFAULT_TIMEOUT)


@pytest.mark.parametrize(
    "text", ["stages: {}\n", f"{LOCK}datasets: []\n", f"# mine\n{LOCK}", LOCK[:-1], "<<<<<<< a\n"]
)
def test_what_dvc_has_not_written_is_left_to_dvc(text: str) -> None:
    assert lockfile.spliced(text, {"a": {"cmd": "b"}}) == ""


def test_an_entry_takes_the_old_one_s_place() -> None:
    one, two = {"a": {"cmd": "one"}}, {"a-b": {"cmd": "two"}}
    text = lockfile.spliced(lockfile.spliced("", one), two)
    assert text == f"{lockfile.HEAD}  a:\n    cmd: one\n  a-b:\n    cmd: two\n"
    changed = lockfile.spliced(text, {"a": {"cmd": "three"}})
    assert changed == text.replace("one", "three")
