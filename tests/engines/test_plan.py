"""The stages that dvc.yaml declares, and the order in which they start."""

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tandem.core import params, params_file, paths
from tandem.core.errors import StageError
from tandem.engines import dvc_stages, plan

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The stages if several seeds of one task are added to the default params."""
    folder = tmp_path_factory.mktemp("stages")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    params_file.update_file(
        {"seeds": {"sentiment": {"runs": [13, 14]}}}, SECTIONS, folder / "params.yaml"
    )
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


@pytest.fixture(scope="module")
def with_ablation(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The stages if `augmentation_ablation`, which is empty by default, names every task."""
    folder = tmp_path_factory.mktemp("ablation")
    content = params.read(ROOT / paths.PARAMS)
    content["augmentation_ablation"] = content["augmentation_models"]
    YAML().dump(content, folder / paths.PARAMS)
    shutil.copy(ROOT / "dvc.yaml", folder)
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


def test_a_task_has_a_stage_of_seeds_if_params_name_it(stages: list[Any]) -> None:
    assert [s.name for s in stages if "seeds" in s.name] == ["seeds@sentiment"]
    with Repo(str(ROOT)) as repo:
        names = {stage.name for stage in repo.index.stages}
    assert names and not [name for name in names if name.startswith("seeds")]


def test_an_ablation_adds_stages_of_its_own_and_there_is_none_by_default(
    with_ablation: list[Any],
) -> None:
    with Repo(str(ROOT)) as repo:
        default = {stage.name for stage in repo.index.stages}
    names = {stage.name for stage in with_ablation}
    tasks = params.project(params.read(ROOT / paths.PARAMS)).tasks
    assert names - default == {f"augmentation-ablation@{task}" for task in tasks}
    assert default < names
    assert {f"augment@{task}" for task in tasks} < default


def test_outputs_in_dvc_yaml_are_those_of_the_module_paths(stages: list[Any]) -> None:
    outs = {out.def_path for stage in stages for out in stage.outs}
    for task in params.project(params.read(ROOT / "params.yaml")).tasks:
        for path in (
            paths.raw(task),
            paths.clean(task),
            paths.split(task),
            paths.augmented(task),
            paths.model(task, "pretrained"),
            paths.model(task, "base"),
            paths.predictions(task, "base"),
            paths.details("fetch", task),
            paths.details("train", task),
            paths.plots("train", task),
        ):
            assert str(path) in outs


def test_every_stage_has_a_description_and_resources(stages: list[Any]) -> None:
    for stage in stages:
        assert stage.desc, stage.addressing
        assert set(stage.meta) == {"threads", "mem_mb", "gpu"}, stage.addressing
        assert stage.deps and stage.outs, stage.addressing


def test_every_stage_is_saved_in_the_run_cache(stages: list[Any]) -> None:
    """DVC's run cache omits stages that fail these assertions (see Stage.run, StageCache)."""
    for stage in stages:
        assert not stage.always_changed and not stage.is_callback, stage.addressing
        for out in stage.outs:
            saved = out.use_cache or out.is_metric or out.is_plot
            assert saved and not out.persist, f"{out} keeps {stage.addressing} out of the run cache"


def test_a_file_that_another_command_writes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    monkeypatch.setattr(plan, "CODE", "")  # this folder contains no code to hash
    assert all(stage.stale for stage in plan.load_stages().stages)
    output = tmp_path / "data/raw/intent"
    writers = {"write": {str(output): {"pid": os.getppid(), "cmd": "dvc repro"}}, "read": {}}
    (tmp_path / ".dvc/tmp/rwlock").write_text(json.dumps(writers))
    with pytest.raises(StageError, match=f"wait for it to end: '{output}.*' is busy.*dvc repro"):
        plan.load_stages()


def test_the_critical_path_starts_first() -> None:
    """As in DVC's graph, an edge runs from a stage to a stage that it depends on."""
    graph = nx.DiGraph([("tune", "train"), ("score", "tune"), ("score", "raw"), ("draw", "raw")])
    graph.add_edges_from([("drawn", "train"), ("list", "raw2"), ("listed", "list")])
    priority = plan.priorities(graph)
    order = sorted(graph, key=lambda stage: (-priority[stage], stage))
    assert " ".join(order) == "train raw2 raw list tune score listed draw drawn"
