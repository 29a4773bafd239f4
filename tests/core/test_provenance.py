"""Run records: the same run gives the same bytes, and no input may change during a run."""

import dataclasses
import json
from importlib import metadata
from pathlib import Path

import pytest
from dvc.repo import Repo

from tandem.core import io, provenance
from tandem.core.errors import StageError
from tandem.core.provenance import StageSpec, find_pins, record_run
from tandem.core.source_digest import source_digest

ROOT = Path(__file__).parents[2]
STAGE = StageSpec(
    name="copy@one",
    command="tandem copy one",
    deps=("in", "code.py"),
    params=("runtime",),
    outs=("out", "reports/lineage/copy/one.json"),
    in_git=("reports/lineage/copy/one.json",),
)
RECORD = Path(STAGE.record)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    Path("in/below").mkdir(parents=True)
    Path("in/a.txt").write_text("a")
    Path("in/below/b.txt").write_text("b")
    Path("code.py").write_text("1")
    return tmp_path


def run() -> None:
    with record_run(STAGE):
        Path("out").mkdir(exist_ok=True)
        Path("out/c.txt").write_text(Path("in/a.txt").read_text())


def test_a_record_has_inputs_and_outputs_and_the_same_bytes_each_time(here: Path) -> None:
    run()
    first = RECORD.read_bytes()
    run()
    assert RECORD.read_bytes() == first
    content = io.unwrap_details(json.loads(first))
    assert content["inputs"]["in"]["nfiles"] == 2 and "files" not in content["inputs"]["in"]
    assert content["outputs"]["out"]["files"]["c.txt"]["size"] == 1
    assert content["params"]["runtime"]["seed"] == content["seed"] == 13
    assert str(here) not in first.decode()


def test_dvcignore_of_the_current_folder_is_used(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not provenance.is_ignored("a.pyc")
    other = tmp_path_factory.mktemp("other")
    (other / ".dvcignore").write_text("# bytecode\n*.pyc\n")
    monkeypatch.chdir(other)
    assert provenance.is_ignored("a.pyc") and not provenance.is_ignored("a.py")


def test_a_folder_has_the_same_md5_as_in_dvc(here: Path) -> None:
    with Repo.init(no_scm=True) as repo:
        (stage,) = repo.add("in")
        (out,) = stage.outs
        assert provenance.digest(Path("in")).md5 == out.hash_info.value
        assert provenance.digest(Path("in")).size == out.meta.size


def test_a_stage_fails_if_an_input_changes(here: Path) -> None:
    problem = "in changed while copy@one ran: run the command again"
    with pytest.raises(StageError, match=problem), record_run(STAGE):
        Path("out").mkdir()
        Path("in/a.txt").write_text("other")
    assert not RECORD.exists()


def test_an_input_is_hashed_again_only_if_it_was_written_to(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    file_digest = provenance.file_digest

    def digest(path: Path) -> provenance.Digest:
        hashed.append(str(path))
        return file_digest(path)

    monkeypatch.setattr(provenance, "file_digest", digest)
    run()
    assert hashed == ["in/a.txt", "in/below/b.txt", "code.py", "out/c.txt"]
    hashed.clear()
    with record_run(STAGE):
        Path("code.py").write_text("1")  # the same content
    assert hashed == ["in/a.txt", "in/below/b.txt", "code.py", "code.py", "out/c.txt"]


def test_a_stage_fails_if_its_params_change(here: Path) -> None:
    params = Path("params.yaml")
    with pytest.raises(StageError, match=r"params\.yaml changed while copy@one ran"), record_run(
        STAGE
    ):  # fmt: skip
        Path("out").mkdir()
        params.write_text(params.read_text().replace("seed: 13", "seed: 14", 1))


def test_a_stage_fails_with_another_version_than_the_locked_one() -> None:
    with pytest.raises(StageError, match=r"has pytest 1\.0, but .* is installed: run `make setu"):
        provenance.check_installed({"pytest": "1.0"})
    with pytest.raises(StageError, match="none is installed"):
        provenance.check_installed({"nowhere-to-be-found": "1.0"})


CODE = Path("workflow/code/copy/one.json")
WITH_CODE = dataclasses.replace(STAGE, deps=("in", str(CODE)))


def write_code(*names: str, **digests: str) -> None:
    """Write a file of workflow/code that lists these modules of `tandem.core`."""
    source = Path(provenance.__file__).parents[2]
    files = {f"tandem/core/{name}.py": "" for name in names}
    files = {name: source_digest(source / name) for name in files}
    files |= {f"tandem/core/{name}.py": digest for name, digest in digests.items()}
    CODE.parent.mkdir(parents=True, exist_ok=True)
    io.write_json(CODE, {"files": files, "packages": {"pytest": metadata.version("pytest")}})


def run_with_code(runner: frozenset[str] | None = None) -> None:
    with record_run(WITH_CODE, provenance.imported_modules() if runner is None else runner):
        Path("out").mkdir(exist_ok=True)
        Path("out/c.txt").write_text("c")


def test_a_stage_runs_the_code_that_is_declared(here: Path) -> None:
    write_code("io", "paths")
    run_with_code()
    content = io.read_details(RECORD)
    assert content["packages"] == {"pytest": metadata.version("pytest")}
    assert str(CODE) in content["inputs"]


def test_a_stage_refuses_other_code_than_is_declared(here: Path) -> None:
    write_code("io", paths="0" * 64)
    problem = r"paths\.py is missing or does not match its digest in .*code/copy/one\.json"
    with pytest.raises(StageError, match=problem):
        run_with_code()
    write_code("io", gone="0" * 64)
    with pytest.raises(
        StageError, match=r"src/tandem/core/gone\.py is missing or does not match its digest"
    ):
        run_with_code()
    assert not RECORD.exists()


def test_code_of_another_checkout_is_reported(here: Path) -> None:
    """A second clone, or an experiment's folder, may use the first clone's Python environment."""
    other = Path("src/tandem/core/paths.py")
    other.parent.mkdir(parents=True)
    other.write_text("")
    write_code("io", paths="0" * 64)
    with pytest.raises(StageError, match=r"Python imports /.*/paths\.py, not src/tandem/core"):
        run_with_code()


def test_a_stage_fails_if_it_imports_a_module_that_is_not_declared(here: Path) -> None:
    write_code("io", "paths")
    with pytest.raises(
        StageError, match=r"copy@one imported tandem\S*, which workflow/code/copy/o"
    ):
        run_with_code(frozenset())


@pytest.mark.parametrize("named", [False, True])
def test_the_message_about_an_undeclared_plug_in_says_whether_params_name_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """The user ran `tandem overlay` and a stage's command, without `tandem code` between them."""
    plugin = "tandem.core.registry"
    others = provenance.imported_modules() - {plugin}
    monkeypatch.setattr(provenance, "imported_modules", lambda: {*others, plugin})
    write_code("io", "paths")
    if named:
        params = Path("params.yaml")
        params.write_text(f"{params.read_text()}\ncopy: {{method: registry}}\n")
        cure = (
            r"because params\.yaml was changed after .*one\.json was written: "
            r"run `dvc repro` or `snakemake`"
        )
    else:
        cure = r"if it is a plug-in, add its name to params\.yaml"
    stage = dataclasses.replace(WITH_CODE, params=("runtime", "copy"))
    with pytest.raises(StageError, match=cure), record_run(stage, others):
        Path("out").mkdir()


def test_damaged_code_files_are_reported_in_one_line(here: Path) -> None:
    CODE.parent.mkdir(parents=True)
    for text in ("{", "[]", '{"files": 1, "packages": {}}'):
        CODE.write_text(text)
        with pytest.raises(StageError, match=r"one\.json is damaged: remove it and run `dvc rep"):
            provenance.read_code(CODE)


def test_pins_are_found_at_any_depth() -> None:
    value = {"a": [{"sha256": "1", "name": "x", "rest": {"b": 1}}], "c": {"revision": "r"}}
    assert list(find_pins(value)) == [{"name": "x", "sha256": "1"}, {"revision": "r"}]
