"""A stage depends on the modules that it imports, and on the packages that these import.

Edits are tested in a small project, all of whose files are defined in this module. Other tests
check which modules and packages Tandem's own stages depend on.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.core import paths
from tandem.core.errors import StageError
from tandem.core.provenance import StageCode, StageSpec
from tandem.engines import code_closure, dvc_stages

ROOT = Path(__file__).parents[2]
SOURCE = paths.SOURCE / "tandem"
FILES = {
    "__init__.py": "NAME = 1",
    "core/__init__.py": "NAME = 1",
    "core/determinism.py": "SEED = 1",
    "core/io.py": "import json",
    "core/registry.py": "def load(package, name): ...\ndef constants(package, name): ...",
    "metrics/__init__.py": "NAME = 1",
    "metrics/overlap.py": "from numpy import mean\nTITLE = 'Overlap'",
    "report/__init__.py": """\
from tandem.core import registry
LABELS = registry.constants('metrics', 'overlap')
""",
    "report/page.css": "a {}",
    "report/values/en.json": "[]",
    "stages/__init__.py": "NAME = 1",
    "stages/clean.py": "from tandem.core import io\nfrom tandem.text import filters, mask",
    "stages/fetch.py": "from tandem.core import io, registry\nregistry.load('tasks', task)",
    "stages/report.py": "import tandem.core.io\nfrom .. import report",
    "tasks/__init__.py": "NAME = 1",
    "tasks/one.py": "NAME = 1",
    "tasks/two.py": "NAME = 1",
    "text/__init__.py": "NAME = 1",
    "text/filters/__init__.py": """\
from tandem.core import registry
FILTER = registry.load('text.filters', kind)
""",
    "text/filters/length.py": "NAME = 1",
    "text/filters/ratio.py": "import rapidfuzz",
    "text/mask.py": "NAME = 1",
}
"""The files of the small project: path below src/tandem → content."""


def stage(command: str, *params: str) -> StageSpec:
    """A stage that runs this command."""
    name = command.replace(" ", "@", 1)
    return StageSpec(
        name=name,
        command=f"tandem {command}",
        deps=(f"{paths.CODE}/{name.replace('@', '/')}.json",),
        params=params,
        outs=(),
        in_git=(),
    )


STAGES = (
    stage("fetch one"),
    stage("fetch two"),
    stage("clean one", "one.clean"),
    stage("clean two", "two.clean"),
    stage("report"),
)
ALL = {stage.name for stage in STAGES}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        write(name, text)
    write_params("length", "length")
    paths.REQUIREMENTS.write_text("numpy==1\nrapidfuzz==1\nmatplotlib==1\n")
    return tmp_path


def write(name: str, text: str) -> None:
    """Write a file below src/tandem."""
    path = SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_params(*filters: str) -> None:
    """Write params.yaml with one filter for each task."""
    tasks = zip(("one", "two"), filters, strict=True)
    paths.PARAMS.write_text("".join(f"{t}: {{clean: {{filters: [{f}]}}}}\n" for t, f in tasks))


def codes() -> dict[str, StageCode]:
    """The code of each stage of the small project, by the stage's name."""
    by_path = code_closure.of_stages(STAGES)
    return {stage.name: by_path[stage.code] for stage in STAGES}


def changed_by(edit: Callable[[], object]) -> set[str]:
    """The stages whose code is changed by an edit."""
    before = codes()
    edit()
    after = codes()
    return {name for name in ALL if before[name] != after[name]}


def changed_with(name: str, statement: str = "_EDITED = 1") -> set[str]:
    """The stages whose code changes when a statement is added to a file of the small project."""
    return changed_by(lambda: write(name, f"{FILES[name]}\n{statement}\n"))


def test_a_comment_or_a_docstring_changes_no_stage(here: Path) -> None:
    def edit() -> None:
        for name, text in FILES.items():
            if name.endswith(".py"):
                write(name, f'{text}\n# edited\n\n"""A string without effect."""\n')

    assert changed_by(edit) == set()


def test_a_module_changes_the_stages_that_import_it(here: Path) -> None:
    assert changed_with("text/mask.py") == {"clean@one", "clean@two"}
    assert changed_with("core/determinism.py") == changed_with("core/io.py") == ALL


def test_a_package_changes_the_stages_that_import_from_it(here: Path) -> None:
    assert changed_with("text/__init__.py") == {"clean@one", "clean@two"}
    assert changed_with("__init__.py") == changed_with("stages/__init__.py") == ALL


def test_a_plugin_changes_the_stages_that_name_it(here: Path) -> None:
    assert changed_with("tasks/one.py") == {"fetch@one"}
    assert changed_with("text/filters/length.py") == {"clean@one", "clean@two"}
    assert changed_with("text/filters/ratio.py") == set()
    assert changed_by(lambda: write_params("length", "ratio")) == {"clean@two"}
    code = codes()["clean@two"]
    assert "tandem/text/filters/ratio.py" in code.files and code.packages == {"rapidfuzz": "1"}
    assert "tandem/text/filters/length.py" not in code.files
    assert changed_with("text/filters/ratio.py", "OTHER = 2") == {"clean@two"}


def test_the_report_depends_on_labels_but_not_on_what_plugins_import(here: Path) -> None:
    assert codes()["report"].packages == {}
    assert changed_with("metrics/overlap.py", "TITLE = 'Other'") == {"report"}


def test_other_files_than_python_change_stages(here: Path) -> None:
    for name in ("report/page.css", "report/values/en.json", "report/values/de.json"):
        assert changed_by(lambda name=name: write(name, "other")) == {"report"}  # type: ignore[misc]


def test_an_upgrade_changes_the_stages_that_import_it(here: Path) -> None:
    write_params("length", "ratio")
    upgraded = "numpy==2\nrapidfuzz==2\nmatplotlib==2\n"
    assert changed_by(lambda: paths.REQUIREMENTS.write_text(upgraded)) == {"clean@two"}


def test_an_import_of_an_unlocked_package_is_reported(here: Path) -> None:
    write("text/mask.py", "import nowhere_to_be_found")
    with pytest.raises(StageError, match=r"mask\.py imports nowhere_to_be_found, which requi"):
        codes()


def test_a_syntax_error_is_reported(here: Path) -> None:
    write("text/mask.py", "import re (")
    with pytest.raises(StageError, match=r"src/tandem/text/mask\.py cannot be parsed"):
        codes()


@pytest.fixture(scope="module")
def tandem() -> dict[str, StageCode]:
    """The code of each of Tandem's own stages, by the stage's name."""
    stages = [stage for stage in dvc_stages.stages(ROOT) if stage.code]
    by_path = code_closure.of_stages(stages, ROOT)
    return {stage.name: by_path[stage.code] for stage in stages}


def users(tandem: dict[str, StageCode], name: str) -> set[str]:
    """The stages whose code contains the file `name` of src/tandem."""
    return {stage for stage, code in tandem.items() if f"tandem/{name}" in code.files}


def groups(stages: set[str]) -> set[str]:
    """The names of stages without their matrix keys."""
    return {name.partition("@")[0] for name in stages}


def test_each_stage_except_code_depends_on_its_own_file() -> None:
    for stage in dvc_stages.stages(ROOT):
        expected = f"workflow/code/{stage.name.replace('@', '/')}.json"
        assert stage.code == ("" if stage.name == "code" else expected)


def test_stages_contain_the_modules_that_they_import(tandem: dict[str, StageCode]) -> None:
    assert groups(users(tandem, "text/mask.py")) == {"clean"}
    seq2seq = users(tandem, "modeling/families/seq2seq.py")
    assert "train@translation" in seq2seq and "augment@sentiment" not in seq2seq
    assert not {s for s in seq2seq if s.startswith("train@") and "translation" not in s}
    for name in ("core/io.py", "__init__.py", "stages/__init__.py"):
        assert users(tandem, name) == {*tandem}
    values = users(tandem, "corpora/common/values/en.json")
    assert "fetch@intent" in values and groups(values) == {"fetch"}
    assert users(tandem, "report/templates/style.css") == {"report"}


def test_a_task_or_a_method_is_in_its_own_stages_and_the_report(
    tandem: dict[str, StageCode],
) -> None:
    task = users(tandem, "tasks/intent.py") - {"report"}
    assert task and all("@intent" in name for name in task)
    method = users(tandem, "compression/pruned.py") - {"report"}
    assert method and all(name.endswith("-pruned") for name in method)
    assert "clean@intent" in users(tandem, "text/filters/length.py")


def test_the_report_contains_the_labels_of_all_plugins(tandem: dict[str, StageCode]) -> None:
    labelled = {"metrics/bleu.py", "metrics/pair_accuracy.py", "baselines/vader.py"}
    labelled |= {"compression/int8.py", "compression/onnx.py", "preferences/labels.py"}
    code = tandem["report"]
    assert {f"tandem/{name}" for name in labelled} <= code.files.keys()
    assert not any("modeling" in name for name in code.files)
    assert not {"torch", "onnxruntime", "sacrebleu", "scikit-learn"} & code.packages.keys()


@pytest.mark.parametrize(
    ("package", "importers", "others"),
    [
        ("matplotlib", {"report"}, {"train", "evaluate", "clean"}),
        ("torch", {"train", "align", "evaluate", "compress", "fetch-model"}, {"clean", "report"}),
        ("ftfy", {"clean", "augment"}, {"train", "fetch"}),
        ("dvc", set(), {"train", "clean", "report"}),
    ],
)
def test_stages_contain_the_packages_that_they_import(
    package: str, importers: set[str], others: set[str], tandem: dict[str, StageCode]
) -> None:
    stages = groups({name for name, code in tandem.items() if package in code.packages})
    assert importers <= stages and not others & stages
