"""`dvc_stages` reads the same stages from dvc.yaml as DVC does."""

import os
from pathlib import Path

import pytest
from dvc.repo import Repo

from tandem.core.errors import StageError
from tandem.engines import dvc_stages

ROOT = Path(__file__).parents[2]


def test_the_same_stages_as_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    declared = {stage.name: stage for stage in dvc_stages.stages()}
    with Repo(os.curdir) as repo:
        expected = {stage.addressing: stage for stage in repo.index.stages}
    assert declared.keys() == expected.keys()
    for name, stage in expected.items():
        params = [dep for dep in stage.deps if hasattr(dep, "params")]
        assert declared[name].command == stage.cmd
        assert set(declared[name].deps) == {d.def_path for d in stage.deps if d not in params}
        assert set(declared[name].params) == {key for dep in params for key in dep.params}
        assert set(declared[name].outs) == {out.def_path for out in stage.outs}
        assert set(declared[name].in_git) == {o.def_path for o in stage.outs if not o.use_cache}


def test_each_stage_has_a_record_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for stage in dvc_stages.stages():
        assert stage.record == f"reports/lineage/{stage.name.replace('@', '/')}.json"
        assert stage.record in stage.in_git
        assert "runtime" in stage.params or "params.yaml" in stage.deps, "its record has the seed"


def test_a_stage_is_found_by_its_command_or_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    stage = dvc_stages.find_stage("tandem clean intent")
    assert stage is not None and stage.name == "clean@intent"
    assert dvc_stages.find_stage("tandem clean intent", "clean@intent") == stage
    assert dvc_stages.find_stage("tandem clean intent", "split@intent") == stage
    assert dvc_stages.find_stage("tandem clean nothing") is None


def test_params_of_other_files_are_not_keys_of_params_yaml(tmp_path: Path) -> None:
    params = "[a, {params.yaml: [b.c]}, {other.yaml: [d]}, {whole.yaml: null}]"
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  one: {{cmd: run, params: {params}}}\n")
    (tmp_path / "params.yaml").write_text("a: 1\nb: {c: 2}\n")
    (stage,) = dvc_stages.stages(tmp_path)
    assert stage.params == ("a", "b.c")


def test_a_stage_with_several_commands_and_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages: {one: {cmd: [a, b], wdir: own, deps: [../in.txt, 's3://bucket/x'], outs: [out], "
        "metrics: [{m.json: {cache: false}}], params: [a, {../params.yaml: [b.c]}]}}\n"
    )
    (tmp_path / "params.yaml").write_text("a: 1\nb: {c: 2}\n")
    (stage,) = dvc_stages.stages(tmp_path)
    assert stage.command == "a\nb" and stage.params == ("b.c",)
    assert stage.deps == ("in.txt", "s3://bucket/x")
    assert stage.outs == ("own/m.json", "own/out") and stage.in_git == ("own/m.json",)


@pytest.mark.parametrize("content", ["stages: [", "stages: 1", "stages:\n  a: {matrix: 1}\n", "[]"])
def test_a_broken_dvc_yaml_is_reported_in_one_line(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(content)
    with pytest.raises(StageError, match=r"dvc\.yaml cannot be read: ") as raised:
        list(dvc_stages.stages())
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_pipeline_has_no_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dvc_stages.find_stage("tandem clean intent") is None


@pytest.mark.parametrize(
    "stage",
    [
        b"{deps: [a]}",
        b"{cmd: a, deps: [{b: c}]}",
        b"{cmd: a, outs: [{}]}",
        b"{cmd: a, outs: [{b: null}]}",
        b"{cmd: a, outs: }",
        b"{cmd: \xff}",
    ],
)
def test_an_unsupported_stage_is_reported_in_one_line(stage: bytes, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_bytes(b"stages:\n  a: " + stage + b"\n")
    with pytest.raises(StageError, match=r"dvc\.yaml cannot be read: ") as raised:
        list(dvc_stages.stages(tmp_path))
    assert "\n" not in str(raised.value)
