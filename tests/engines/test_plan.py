"""What dvc.yaml declares, and how stages are planned."""

import asyncio
import json
import logging
import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import networkx as nx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML
from snakemake.scheduling import greedy, milp
from snakemake.scheduling.job_scheduler import JobScheduler

from tandem.core import params, params_file, paths
from tandem.core.errors import StageError
from tandem.engines import dvc_stages, plan

ROOT = Path(__file__).parents[2]
SECTIONS = partial(dvc_stages.sections, root=ROOT)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Those of the default params and of a task with several seeds."""
    folder = tmp_path_factory.mktemp("dag")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    params_file.update_file(
        {"seeds": {"sentiment": {"runs": [13, 14]}}}, SECTIONS, folder / "params.yaml"
    )
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


@pytest.fixture(scope="module")
def with_effects(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The stages where `effects`, empty by default, names every task."""
    folder = tmp_path_factory.mktemp("effects")
    content = params.read(ROOT / paths.PARAMS)
    content["augmentation_ablation"] = content["augmentation_models"]
    YAML().dump(content, folder / paths.PARAMS)
    shutil.copy(ROOT / "dvc.yaml", folder)
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


def test_a_task_has_a_stage_of_seeds_where_params_say_so(stages: list[Any]) -> None:
    assert [s.name for s in stages if "seeds" in s.name] == ["seeds@sentiment"]
    with Repo(str(ROOT)) as repo:
        names = {stage.name for stage in repo.index.stages}
    assert names and not [name for name in names if name.startswith("seeds")]


def test_effects_add_stages_of_their_own_and_are_none_by_default(
    with_effects: list[Any],
) -> None:
    with Repo(str(ROOT)) as repo:
        names = {stage.name for stage in repo.index.stages}
    more = {stage.name for stage in with_effects}
    tasks = params.project(params.read(ROOT / paths.PARAMS)).tasks
    assert more - names == {f"augmentation-effect@{task}" for task in tasks}
    assert names < more
    assert {f"augment@{task}" for task in tasks} < names


def test_outs_are_the_paths_of_the_code(stages: list[Any]) -> None:
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


def test_every_stage_says_what_it_is_and_needs(stages: list[Any]) -> None:
    for stage in stages:
        assert stage.desc, stage.addressing
        assert set(stage.meta) == {"threads", "mem_mb", "gpu"}, stage.addressing
        assert stage.deps and stage.outs, stage.addressing


def test_every_stage_goes_into_the_run_cache(stages: list[Any]) -> None:
    """DVC saves no entry for a stage with one of these (Stage.run, StageCache)."""
    for stage in stages:
        assert not stage.always_changed and not stage.is_callback, stage.addressing
        for out in stage.outs:
            kept = out.use_cache or out.is_metric or out.is_plot
            assert kept and not out.persist, f"{out} keeps {stage.addressing} out of the run cache"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", False),
        ("schema: '2.0'\nstages:\n  a:\n    cmd: b\n", True),
        ("schema: '2.0'\nstages:\n  a:\n    cm", False),
        ("schema: '2.0'\nstages:\n  a:\n  - [", False),
    ],
)
def test_a_lock_that_was_cut_short_is_seen(text: str, whole: bool) -> None:
    assert plan.is_complete(text) is whole


def test_only_one_head_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held = plan.acquire_run_lock()
    with pytest.raises(StageError, match="another snakemake is running in this folder"):
        plan.acquire_run_lock()
    held.close()
    plan.acquire_run_lock().close()


def test_a_file_that_another_command_writes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    monkeypatch.setattr(plan, "CODE", "")  # there is no code here to digest
    assert all(stage.stale for stage in plan.load_stages())
    written = tmp_path / "data/raw/intent"
    held = {"write": {str(written): {"pid": os.getppid(), "cmd": "dvc repro"}}, "read": {}}
    (tmp_path / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    with pytest.raises(StageError, match=f"wait for it: '{written}.*' is busy.*dvc repro"):
        plan.load_stages()


def test_what_holds_up_most_goes_first() -> None:
    """As in DVC's graph, an edge runs from a stage to what it depends on."""
    graph = nx.DiGraph([("tune", "train"), ("score", "tune"), ("score", "raw"), ("draw", "raw")])
    graph.add_edges_from([("drawn", "train"), ("list", "raw2"), ("listed", "list")])
    first = plan.priorities(graph)
    order = sorted(graph, key=lambda stage: (-first[stage], stage))
    assert " ".join(order) == "train raw2 raw list tune score listed draw drawn"


@pytest.mark.parametrize("chosen", ["by priority", "by size", "by a solver"])
def test_sizes_of_inputs_are_read_only_if_jobs_are_chosen_by_them(chosen: str) -> None:
    by_priority = chosen == "by priority"
    settings = greedy.SchedulerSettings(omit_prioritize_by_temp_and_input=by_priority)
    scheduler = JobScheduler.__new__(JobScheduler)
    scheduler._input_sizes = {}
    if chosen == "by a solver":
        scheduler._scheduler = milp.Scheduler(None, milp.SchedulerSettings(), logging.getLogger())
    else:
        scheduler._scheduler = greedy.Scheduler(None, settings, logging.getLogger())
    plan.schedule_at_once(scheduler)
    assert scheduler.job_rate_limiter is None
    asyncio.run(scheduler.update_input_sizes([SimpleNamespace(input=[Measured()])]))
    assert list(scheduler._input_sizes.values()) == ([] if by_priority else [7])


class Measured:
    """An input as Snakemake's scheduler knows it."""

    async def exists(self) -> bool:
        return True

    async def size(self) -> int:
        return 7
