from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tandem.core import params, params_check, params_file
from tandem.core.errors import ParamsError
from tandem.engines import dvc_stages

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)


@pytest.fixture
def content() -> dict[str, Any]:
    """The content of the project's params.yaml."""
    return params.read(ROOT / "params.yaml")


def test_the_default_params_are_valid(content: dict[str, Any]) -> None:
    params_check.check(content, SECTIONS)


@pytest.mark.parametrize("top", ["params.smoke.yaml", "params.full.yaml"])
def test_params_with_an_overlay_are_valid(tmp_path: Path, top: str) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    params_file.overlay(ROOT / top, base, SECTIONS)
    assert params.read(base) != params.read(ROOT / "params.yaml")
    assert "# Settings of the pipeline" in base.read_text()


def test_one_value_changes_one_line(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    before = base.read_text().splitlines()
    params_file.update_file({"sentiment": {"train": {"learning_rate": 7.5e-05}}}, SECTIONS, base)
    after = base.read_text().splitlines()
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["learning_rate: 7.5e-05"]


def test_fp16_on_a_cpu_and_seeds_of_an_unknown_task_are_reported(content: dict[str, Any]) -> None:
    content["seeds"] = {"sentimnt": {"runs": [1, 2]}}
    with pytest.raises(ParamsError, match=r"seeds\.sentimnt\. Did you mean 'sentiment"):
        params_check.check(content, SECTIONS)
    content["runtime"]["precision"] = "fp16"
    with pytest.raises(ParamsError, match="fp16 needs a GPU and the setting device: auto"):
        params_check.check(content, SECTIONS)


def test_all_mistakes_are_reported_at_once(content: dict[str, Any]) -> None:
    content["sentiment"]["train"]["learnig_rate"] = 1e-4
    content["intent"]["split"]["salt"] = 7
    content["translation"]["clena"] = {}
    del content["generation"]["augment"]
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "train.learnig_rate. Did you mean 'learning_rate'?" in message
    assert "intent.split.salt: Input should be a valid string (found 7)" in message
    assert "unknown key translation.clena. Did you mean 'clean'?" in message
    assert "generation.augment is missing" in message
    assert message.count("params.yaml: ") >= 4 and "\n" not in message


def test_a_mistake_outside_of_the_tasks_hides_none_inside(content: dict[str, Any]) -> None:
    content["runtime"]["seed"] = "x"
    content["x"] = 1
    content["generation"]["train"]["learnig_rate"] = 1e-4
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "runtime.seed: Input should be a valid integer (found 'x')" in message
    assert "unknown key x." in message and "unknown key generation.train.learnig_rate" in message


def test_a_misspelt_list_of_tasks_is_reported(content: dict[str, Any]) -> None:
    content["taskz"] = content.pop("tasks")
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    expected = (
        "params.yaml: tasks is missing; params.yaml: unknown key taskz. Did you mean 'tasks'?"
    )
    assert str(caught.value) == expected


def test_unknown_names(content: dict[str, Any]) -> None:
    content["tasks"].append("sentimnet")
    content["sentimnt"] = content["sentiment"]
    content["methods"] = ["int9"]
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "unknown task 'sentimnet'" in message and "Did you mean 'sentiment'?" in message
    assert "unknown compression method 'int9'" in message and "Did you mean 'int8'?" in message
    assert "unknown key sentimnt. Did you mean 'senti" in message


def test_preferences_name_known_tasks_and_no_task_is_listed_twice(content: dict[str, Any]) -> None:
    content["preferences"]["generaton"] = content["preferences"]["generation"]
    content["preferences"]["generation"] = content["preferences"]["generaton"] | {
        "ratings": "sentimnt"
    }
    content["tasks"].append("intent")
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "preferences.generaton. Did you mean 'generation'?" in message
    assert "'sentimnt' in params.yaml: preferences.generation.ratings" in message
    assert "tasks lists intent twice" in message


def test_augmentation_names_known_tasks_and_model_folders(content: dict[str, Any]) -> None:
    del content["augmentation_models"]["intent"]
    content["augmentation_ablation"] = {"sentimnt": {"forward": "a", "backward": "b"}}
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    assert "augmentation_models.intent is missing" in str(caught.value)
    assert "key augmentation_ablation.sentimnt. Did you mean 'sentiment'?" in str(caught.value)
    content["augmentation_models"]["intent"] = {"forward": "models/intent/pretrained"}
    with pytest.raises(ParamsError, match=r"augmentation_models\.intent\.backward is missing"):
        params_check.check(content, SECTIONS)


def test_an_ablation_needs_a_section_of_its_own(content: dict[str, Any]) -> None:
    content["augmentation_ablation"] = {"intent": content["augmentation_models"]["intent"]}
    with pytest.raises(ParamsError, match=r"intent\.augmentation_ablation is missing"):
        params_check.check(content, SECTIONS)
    swap = {"kind": "swap", "rate": 0.1}
    section = {"operations": [swap, swap], "fraction": 0.5, "max_rows": None, "batch_size": 8}
    content["intent"]["augmentation_ablation"] = section
    with pytest.raises(ParamsError, match="listed twice"):
        params_check.check(content, SECTIONS)
    section["operations"] = [swap]
    params_check.check(content, SECTIONS)


def test_an_unknown_plugin_is_reported(content: dict[str, Any]) -> None:
    content["sentiment"]["fetch"]["source"]["kind"] = "packge"
    with pytest.raises(ParamsError, match=r"sentiment\.fetch\.source.*Did you mean 'package'"):
        params_check.check(content, SECTIONS)


def test_an_unknown_key_of_a_plugin_is_reported(content: dict[str, Any]) -> None:
    content["sentiment"]["fetch"]["source"]["sha"] = "00"
    with pytest.raises(ParamsError, match=r"unknown key sentiment\.fetch\.source\.sha\b"):
        params_check.check(content, SECTIONS)


@pytest.mark.parametrize("text", ["a: [1", "just text", "a: \xff"])
def test_a_file_that_is_not_a_mapping(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        params.read(path)


def test_an_overlay_is_checked_before_it_is_written(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    top = tmp_path / "top.yaml"
    top.write_text("sentiment:\n  trian: {}\n")
    with pytest.raises(ParamsError, match=r"unknown key sentiment\.trian\. Did you mean 'train'"):
        params_file.overlay(top, base, SECTIONS)
    assert base.read_text() == (ROOT / "params.yaml").read_text()


def test_another_kind_replaces_the_whole_mapping(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    source = {"kind": "files", "format": "text", "files": [{"path": "a.txt", "sha256": "0" * 64}]}
    params_file.update_file({"generation": {"fetch": {"source": source}}}, SECTIONS, base)
    assert params.read(base)["generation"]["fetch"]["source"] == source


@pytest.mark.parametrize(("name", "message"), [("none", "is missing$"), ("empty", "must be a map")])
def test_a_base_without_params(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(ParamsError, match=message):
        params_file.overlay(ROOT / "params.smoke.yaml", tmp_path / name, SECTIONS)


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: 1e-4\nb: on\n")
    assert params.read(path) == {"a": 0.0001, "b": "on"}


def test_every_earlier_key_is_reported_with_its_new_name(content: dict[str, Any]) -> None:
    """One error lists all renamed keys, including top-level keys, and reports none as missing."""
    earlier = {new: old for old, new in params.RENAMED}
    count = 0

    def restore(value: Any, depth: int = 0) -> Any:
        nonlocal count
        if isinstance(value, list):
            return [restore(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        renamed = {}
        for key, nested in value.items():
            is_leaf = not isinstance(nested, dict) and key != "model"
            old = earlier.get(key) if is_leaf else None
            count += old is not None
            renamed[old or key] = restore(nested, depth + 1)
        return renamed

    old_content = restore(content)
    assert count > 60
    with pytest.raises(ParamsError) as caught:
        params_check.check(old_content, SECTIONS)
    problems = str(caught.value).split("; ")
    assert sum("is now called" in problem for problem in problems) == count
    assert not [problem for problem in problems if "is missing" in problem]


def test_an_earlier_method_is_reported_with_its_new_name(content: dict[str, Any]) -> None:
    content["methods"] = ["int8", "weights", "student"]
    content["intent"]["weights"] = content["intent"]["student"] = {}
    content["intent"]["magnitude"] = {"share": 0.5, "scope": "layer"}
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "methods: weights is now called grouped" in message
    assert "methods: student is now called distilled" in message
    assert "intent.weights is now called grouped" in message
    assert "intent.student is now called distilled" in message


def test_mistakes_in_sections_are_reported_although_the_pipeline_cannot_be_read(
    content: dict[str, Any],
) -> None:
    content["augmentation_models"] = content["augmentation_models"]["intent"]
    content["sentiment"]["train"]["learnig_rate"] = 1e-4
    content["generation"]["reward"]["max_steps"] = "many"
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    message = str(caught.value)
    assert "augmentation_models" in message and "train.learnig_rate" in message
    assert "generation.reward.max_steps: " in message
