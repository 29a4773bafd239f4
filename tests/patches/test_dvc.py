"""DVC gives the same results and writes the same bytes with and without its patches."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dulwich.ignore import IgnoreFilter, Pattern
from dvc import lock as locks
from dvc import schema
from dvc.dependency import param
from dvc.dvcfile import Lockfile
from dvc.repo import Repo, lock_repo
from dvc.stage import PipelineStage
from dvc.utils.serialize import parse_yaml

from tandem.patches import dvc

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "dvc.lock").read_text(encoding="utf-8")


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The project's stages and their entries in dvc.lock, in a folder without the stages' files."""
    for name in ("dvc.yaml", "params.yaml", "dvc.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return Repo.init(str(tmp_path), no_scm=True)


@pytest.mark.slow
@pytest.mark.parametrize("patched", [False, True])
def test_entries_are_written_as_dvc_writes_them(
    patched: bool, repo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rewrite some entries of a complete dvc.lock, then write the first entries into a new one."""
    if patched:
        restore_after_test(monkeypatch)
        dvc.patch()
    stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
    order = [
        title.strip().rstrip(":") for title in LOCK.splitlines() if dvc.ENTRY_START.match(title)
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


def restore_after_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the test, undo the changes that `patch` makes."""
    dvc._applied.clear()
    monkeypatch.setattr(Lockfile, "dump_stages", Lockfile.dump_stages)
    monkeypatch.setattr(locks, "DEFAULT_TIMEOUT", locks.DEFAULT_TIMEOUT)
    monkeypatch.setattr(schema, "vol", schema.vol)
    monkeypatch.setattr(param, "read_param_file", param.read_param_file)
    monkeypatch.setattr(Pattern, "__init__", Pattern.__init__)


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """Let the next test apply the patches again."""
    yield
    dvc._applied.clear()


@pytest.mark.parametrize(
    "text", ["stages: {}\n", f"{LOCK}datasets: []\n", f"# mine\n{LOCK}", LOCK[:-1], "<<<<<<< a\n"]
)
def test_a_file_in_another_form_is_left_to_dvc(text: str) -> None:
    assert dvc.replace_entry(text, {"a": {"cmd": "b"}}) == ""


def test_an_entry_replaces_the_old_one_in_its_position() -> None:
    first, second = {"a": {"cmd": "one"}}, {"a-b": {"cmd": "two"}}
    text = dvc.replace_entry(dvc.replace_entry("", first), second)
    assert text == f"{dvc.HEADER}  a:\n    cmd: one\n  a-b:\n    cmd: two\n"
    changed = dvc.replace_entry(text, {"a": {"cmd": "three"}})
    assert changed == text.replace("one", "three")


def test_an_entry_is_found_by_its_title() -> None:
    for name in ("fetch@intent", "compress@sentiment-int8"):
        entry = dvc.lock_entry(LOCK, dvc.entry_title(name))
        assert entry and parse_yaml(f"stages:\n{entry}", "dvc.lock")["stages"].keys() == {name}
    assert dvc.lock_entry(LOCK, dvc.entry_title("none")) == ""
    assert dvc.lock_entry("stages: {}\n", dvc.entry_title("none")) is None


def test_params_and_schemas_are_read_as_dvc_reads_them(
    repo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(Path("params.yaml").resolve())
    keys = ["runtime", "runtime.seed", "tasks", "no.such", "sentiment.fetch.source", "tasks.x"]
    unpatched = param.read_param_file(repo.fs, path, keys, flatten=True)
    stages = {s.addressing: s.dumpd() for s in repo.index.stages}
    restore_after_test(monkeypatch)
    dvc.patch()
    assert param.read_param_file(repo.fs, path, keys, flatten=True) == unpatched
    repo._reset()
    assert {s.addressing: s.dumpd() for s in repo.index.stages} == stages
    Path(path).write_text(Path(path).read_text().replace("seed:", "seed: 7 #"))
    assert param.read_param_file(repo.fs, path, keys, flatten=True)["runtime.seed"] == 7


LINES = [
    b"/one", b"/one.txt", b"!/one.txt", b"/a b", b"one", b"/one/", b"/on*", b"/one/two",
    b"!one.txt", b"/ONE", b"/o.e", b"/",
]  # fmt: skip
PATHS = ["one", "one/", "one.txt", "one/two", "one/two/three", "two/one", "ONE", "one.txt/", "a b"]


@pytest.mark.parametrize("ignorecase", [False, True])
def test_the_same_paths_are_ignored(ignorecase: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def ignored() -> list[bool | None]:
        pairs = [list(lines) for lines in itertools.permutations(LINES, 2)]
        return [IgnoreFilter(pair, ignorecase).is_ignored(path) for pair in pairs for path in PATHS]

    unpatched = ignored()
    restore_after_test(monkeypatch)
    dvc.patch()
    assert Pattern(b"/one")._name_re.__class__.__name__ == "_ExactPath"
    assert ignored() == unpatched and {None, True, False} <= set(unpatched)


def test_another_version_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    restore_after_test(monkeypatch)
    monkeypatch.setitem(dvc.TESTED, "dvc", ("0",))

    def patched() -> list[Any]:
        functions = [Lockfile.dump_stages, param.read_param_file, Pattern.__init__]
        return [*functions, schema.vol, locks.DEFAULT_TIMEOUT]

    before = patched()
    dvc.patch()
    assert not dvc.tested() and patched() == before


def test_the_same_stages_are_changed(
    repo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "same.txt").write_text("same\n")
    (tmp_path / "edited.txt").write_text("before\n")
    repo.add(["same.txt", "edited.txt"])
    (tmp_path / "edited.txt").write_text("after\n")
    repo._reset()

    def changed() -> set[str]:
        with lock_repo(repo):
            return {stage.addressing for stage in dvc.changed_stages(repo, repo.index.stages)}

    with_one_lock = changed()
    monkeypatch.setitem(dvc.TESTED, "dvc", ("0",))
    assert changed() == with_one_lock
    assert "edited.txt.dvc" in with_one_lock and "same.txt.dvc" not in with_one_lock
    assert dvc.changed_stages(repo, []) == set()


def test_the_installed_versions_are_tested() -> None:
    assert dvc.tested()


def test_dvc_reads_its_lock_with_another_reader_only_inside_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True) as repo:
        lockfile = Lockfile(repo, str(tmp_path / "dvc.lock"))
        before = Lockfile.load
        with dvc.lock_reader(lambda file: {"path": file.path}):
            assert lockfile.load() == {"path": str(tmp_path / "dvc.lock")}
        assert Lockfile.load is before
        monkeypatch.setattr(dvc, "tested", lambda: False)
        with dvc.lock_reader(lambda file: {}):
            assert Lockfile.load is before
