"""A stage depends on the modules that it imports, and on the packages that these import."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tandem.core import params, params_file, paths
from tandem.core.errors import StageError
from tandem.core.provenance import StageCode
from tandem.engines import code_closure, dvc_stages

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)
COPIED = ("dvc.yaml", "params.yaml", "requirements.lock")
SOURCE = paths.SOURCE / "tandem"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's code, DAG and params, which a test may change."""
    for name in COPIED:
        shutil.copyfile(ROOT / name, tmp_path / name)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignore)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codes() -> dict[str, StageCode]:
    """The code of each stage, by the stage's name."""
    stages = [stage for stage in dvc_stages.stages() if stage.code]
    by_path = code_closure.of_stages(stages)
    return {stage.name: by_path[stage.code] for stage in stages}


def changed_by(edit: Callable[[], object]) -> set[str]:
    """The stages whose code an edit changes."""
    before = codes()
    edit()
    after = codes()
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def append(name: str, statement: str = "_EDITED = 1") -> Callable[[], object]:
    """An edit that adds a statement to the end of a file."""
    return lambda: (SOURCE / name).write_text(f"{(SOURCE / name).read_text()}\n{statement}\n")


def groups(stages: set[str]) -> set[str]:
    """The names of stages without their matrix keys."""
    return {name.partition("@")[0] for name in stages}


def test_each_stage_except_code_depends_on_its_own_file(here: Path) -> None:
    for stage in dvc_stages.stages():
        expected = f"workflow/code/{stage.name.replace('@', '/')}.json"
        assert stage.code == ("" if stage.name == "code" else expected)


def test_a_comment_or_a_docstring_changes_no_stage(here: Path) -> None:
    def edit() -> None:
        for path in SOURCE.rglob("*.py"):
            path.write_text(f'{path.read_text()}\n# edited\n\n"""A string without effect."""\n')

    assert changed_by(edit) == set()


def test_a_module_changes_the_stages_that_import_it(here: Path) -> None:
    assert groups(changed_by(append("text/mask.py"))) == {"clean"}
    seq2seq = changed_by(append("modeling/families/seq2seq.py"))
    assert "train@translation" in seq2seq and "augment@sentiment" not in seq2seq
    assert not {s for s in seq2seq if s.startswith("train@") and "translation" not in s}
    everywhere = changed_by(append("core/io.py"))
    assert everywhere == {stage.name for stage in dvc_stages.stages() if stage.code}


def test_a_task_or_a_method_changes_its_own_stages_and_the_report(here: Path) -> None:
    task = changed_by(append("tasks/intent.py")) - {"report"}
    assert task and all("@intent" in name for name in task)
    method = changed_by(append("compression/pruned.py")) - {"report"}
    assert method and all(name.endswith("-pruned") for name in method)


def test_the_report_depends_on_labels_but_not_on_what_plugins_import(here: Path) -> None:
    labelled = {"metrics/bleu.py", "metrics/pair_accuracy.py", "baselines/vader.py"}
    labelled |= {"compression/int8.py", "compression/onnx.py", "preferences/labels.py"}
    code = codes()["report"]
    assert {f"tandem/{name}" for name in labelled} <= code.files.keys()
    assert not any("modeling" in name for name in code.files)
    assert not {"torch", "onnxruntime", "sacrebleu", "scikit-learn"} & code.packages.keys()

    def retitle() -> None:
        path = SOURCE / "metrics/bleu.py"
        path.write_text(path.read_text() + 'TITLE = "Other"\n')

    assert "report" in changed_by(retitle)


def test_a_plugin_is_part_of_the_stages_whose_params_name_it(here: Path) -> None:
    def without() -> None:
        content = params.read()
        kept = [f for f in content["intent"]["clean"]["filters"] if f["kind"] != "length"]
        params_file.update_file({"intent": {"clean": {"filters": kept}}}, SECTIONS)

    file = "tandem/text/filters/length.py"
    assert file in codes()["clean@intent"].files
    assert changed_by(without) == {"clean@intent"}
    assert file not in codes()["clean@intent"].files


def test_other_files_than_python_change_stages(here: Path) -> None:
    style = SOURCE / "report/templates/style.css"
    assert changed_by(lambda: style.write_text(style.read_text() + "a {}\n")) == {"report"}
    values = SOURCE / "corpora/common/values/en.json"
    names = changed_by(lambda: values.write_text(values.read_text() + "\n"))
    assert "fetch@intent" in names and groups(names) == {"fetch"}


def test_the_packages_of_plugins_change_all_stages(here: Path) -> None:
    for name in ("__init__.py", "stages/__init__.py"):
        changed = changed_by(append(name))
        assert changed == {stage.name for stage in dvc_stages.stages() if stage.code}


@pytest.mark.parametrize(
    ("package", "stages", "unaffected"),
    [
        ("matplotlib", {"report"}, {"train", "evaluate", "clean"}),
        ("torch", {"train", "align", "evaluate", "compress", "fetch-model"}, {"clean", "report"}),
        ("ftfy", {"clean", "augment"}, {"train", "fetch"}),
        ("dvc", set(), {"train", "clean", "report"}),
    ],
)
def test_an_upgrade_changes_the_stages_that_import_it(
    package: str, stages: set[str], unaffected: set[str], here: Path
) -> None:
    def upgrade() -> None:
        lines = paths.REQUIREMENTS.read_text().splitlines()
        changed = [f"{package}==99" if n.startswith(f"{package}==") else n for n in lines]
        assert changed != lines
        paths.REQUIREMENTS.write_text("\n".join(changed))

    changed = groups(changed_by(upgrade))
    assert stages <= changed and not unaffected & changed


def test_an_import_of_an_unlocked_package_is_reported(here: Path) -> None:
    append("text/mask.py", "import nowhere_to_be_found")()
    with pytest.raises(StageError, match=r"mask\.py imports nowhere_to_be_found, which requi"):
        codes()


def test_a_syntax_error_is_reported(here: Path) -> None:
    append("text/mask.py", "import re (")()
    with pytest.raises(StageError, match=r"src/tandem/text/mask\.py cannot be parsed"):
        codes()
