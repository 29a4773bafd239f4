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
    return params.read(ROOT / "params.yaml")


def test_the_default_params_are_right(content: dict[str, Any]) -> None:
    params_check.check(content, SECTIONS)


@pytest.mark.parametrize("top", ["params.smoke.yaml", "params.full.yaml"])
def test_what_is_laid_over_the_params_is_right(tmp_path: Path, top: str) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    params_file.overlay(ROOT / top, base, SECTIONS)
    assert params.read(base) != params.read(ROOT / "params.yaml")
    assert "# Settings of the pipeline" in base.read_text()


def test_one_value_laid_changes_one_line(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    before = base.read_text().splitlines()
    params_file.update_file({"sentiment": {"train": {"learning_rate": 7.5e-05}}}, SECTIONS, base)
    after = base.read_text().splitlines()
    changed = [new.strip() for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["learning_rate: 7.5e-05"]


def test_fp16_on_a_cpu_and_seeds_of_no_task_are_told(content: dict[str, Any]) -> None:
    content["seeds"] = {"sentimnt": {"runs": [1, 2]}}
    with pytest.raises(ParamsError, match=r"seeds\.sentimnt\. Did you mean seeds\.sentiment"):
        params_check.check(content, SECTIONS)
    content["runtime"]["precision"] = "fp16"
    with pytest.raises(ParamsError, match="fp16 needs device: auto and a GPU"):
        params_check.check(content, SECTIONS)


def test_all_mistakes_are_told_at_once(content: dict[str, Any]) -> None:
    content["sentiment"]["train"]["learnig_rate"] = 1e-4
    content["intent"]["split"]["salt"] = 7
    content["translation"]["clena"] = {}
    del content["generation"]["augment"]
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    told = str(caught.value)
    assert "unknown key sentiment.train.learnig_rate. Did you mean sentiment.train.learning" in told
    assert "intent.split.salt: Input should be a valid string (found 7)" in told
    assert "unknown key translation.clena. Did you mean translation.clean?" in told
    assert "generation.augment is missing" in told
    assert told.count("params.yaml: ") >= 4 and "\n" not in told


def test_a_mistake_above_the_tasks_hides_none_below(content: dict[str, Any]) -> None:
    content["runtime"]["seed"] = "x"
    content["x"] = 1
    content["generation"]["train"]["learnig_rate"] = 1e-4
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    told = str(caught.value)
    assert "runtime.seed: Input should be a valid integer (found 'x')" in told
    assert "unknown key x." in told and "unknown key generation.train.learnig_rate" in told


def test_a_misspelt_list_of_tasks_is_told(content: dict[str, Any]) -> None:
    content["taskz"] = content.pop("tasks")
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    told = "params.yaml: tasks is missing; params.yaml: unknown key taskz. Did you mean tasks?"
    assert str(caught.value) == told


def test_unknown_names(content: dict[str, Any]) -> None:
    content["tasks"].append("sentimnet")
    content["sentimnt"] = content["sentiment"]
    content["methods"] = ["int9"]
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    told = str(caught.value)
    assert "unknown task 'sentimnet'" in told and "Did you mean 'sentiment'?" in told
    assert "unknown compression method 'int9'" in told and "Did you mean 'int8'?" in told
    assert "unknown key sentimnt. Did you mean senti" in told


def test_preferences_name_tasks_and_a_task_stands_once(content: dict[str, Any]) -> None:
    content["preferences"]["generaton"] = content["preferences"]["generation"]
    content["preferences"]["generation"] = content["preferences"]["generaton"] | {
        "ratings": "sentimnt"
    }
    content["tasks"].append("intent")
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    said = str(caught.value)
    assert "preferences.generaton. Did you mean preferences.generation?" in said
    assert "'sentimnt' in params.yaml: preferences.generation.ratings" in said
    assert "tasks lists intent twice" in said


def test_augmentation_names_tasks_and_folders(content: dict[str, Any]) -> None:
    del content["augmentation_models"]["intent"]
    content["augmentation_ablation"] = {"sentimnt": {"forward": "a", "backward": "b"}}
    with pytest.raises(ParamsError) as caught:
        params_check.check(content, SECTIONS)
    assert "augmentation_models.intent is missing" in str(caught.value)
    assert (
        "key augmentation_ablation.sentimnt. Did you mean augmentation_ablation.sentiment?"
        in str(caught.value)
    )
    content["augmentation_models"]["intent"] = {"forward": "models/intent/pretrained"}
    with pytest.raises(ParamsError, match=r"augmenting\.intent\.back is missing"):
        params_check.check(content, SECTIONS)


def test_effects_ask_for_a_part_of_their_own(content: dict[str, Any]) -> None:
    content["augmentation_ablation"] = {"intent": content["augmentation_models"]["intent"]}
    with pytest.raises(ParamsError, match=r"intent\.augmentation_ablation is missing"):
        params_check.check(content, SECTIONS)
    swap = {"kind": "swap", "rate": 0.1}
    part = {"operations": [swap, swap], "fraction": 0.5, "max_rows": None, "batch_size": 8}
    content["intent"]["augmentation_ablation"] = part
    with pytest.raises(ParamsError, match="listed twice"):
        params_check.check(content, SECTIONS)
    part["operations"] = [swap]
    params_check.check(content, SECTIONS)


def test_an_unknown_plugin_is_named(content: dict[str, Any]) -> None:
    content["sentiment"]["fetch"]["source"]["kind"] = "packge"
    with pytest.raises(ParamsError, match=r"sentiment\.fetch\.source.*Did you mean 'package'"):
        params_check.check(content, SECTIONS)


def test_an_unknown_key_of_a_plugin_is_named(content: dict[str, Any]) -> None:
    content["sentiment"]["fetch"]["source"]["sha"] = "00"
    with pytest.raises(ParamsError, match=r"unknown key sentiment\.fetch\.source\.sha\b"):
        params_check.check(content, SECTIONS)


@pytest.mark.parametrize("text", ["a: [1", "just text", "a: \xff"])
def test_a_file_that_is_no_mapping(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        params.read(path)


def test_an_overlay_is_checked_before_it_is_written(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    top = tmp_path / "top.yaml"
    top.write_text("sentiment:\n  trian: {}\n")
    with pytest.raises(
        ParamsError, match=r"unknown key sentiment\.trian\. Did you mean sentiment\.train"
    ):
        params_file.overlay(top, base, SECTIONS)
    assert base.read_text() == (ROOT / "params.yaml").read_text()


def test_another_kind_takes_the_whole_place(tmp_path: Path) -> None:
    base = tmp_path / "params.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    source = {"kind": "files", "format": "text", "files": [{"path": "a.txt", "sha256": "0" * 64}]}
    params_file.update_file({"generation": {"fetch": {"source": source}}}, SECTIONS, base)
    assert params.read(base)["generation"]["fetch"]["source"] == source


@pytest.mark.parametrize(("name", "said"), [("none", "is missing$"), ("empty", "must be a map")])
def test_a_base_that_holds_no_params(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(ParamsError, match=said):
        params_file.overlay(ROOT / "params.smoke.yaml", tmp_path / name, SECTIONS)


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: 1e-4\nb: on\n")
    assert params.read(path) == {"a": 0.0001, "b": "on"}
