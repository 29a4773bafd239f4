"""dvc.yaml says the truth about the code: what a stage imports and which paths it uses."""

import ast
import functools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tandem import dag
from tandem.core import params, paths
from tandem.core.errors import StageError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
# A plug-in of these is chosen by the stage's name, so the one file is a dependency, not the folder.
ONE_FILE = {"tasks", "compression"}
# What checks all of params.yaml looks at every stage; what a stage reads is its own part.
CHECKS = {"stage_models", "check", "_name_problems"}


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Those of the default params and of a task with several seeds."""
    folder = tmp_path_factory.mktemp("dag")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    params.lay({"seeds": {"sentiment": {"runs": [13, 14]}}}, folder / "params.yaml")
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


@pytest.fixture(scope="module")
def with_effects(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The stages where `effects`, empty by default, names every task."""
    folder = tmp_path_factory.mktemp("effects")
    content = params.read(ROOT / paths.PARAMS)
    content["effects"] = content["augmenting"]
    YAML().dump(content, folder / paths.PARAMS)
    shutil.copy(ROOT / "dvc.yaml", folder)
    with Repo.init(str(folder), no_scm=True) as repo:
        return list(repo.index.stages)


def test_a_task_has_a_stage_of_seeds_where_params_say_so(stages: list[Any]) -> None:
    assert [s.name for s in stages if "seeds" in s.name] == ["seeds@sentiment"]
    with Repo(str(ROOT)) as repo:
        names = {stage.name for stage in repo.index.stages}
    assert names and not [name for name in names if name.startswith("seeds")]


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def file_of(module: str) -> Path | None:
    base = SOURCE.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@functools.cache
def imported(path: Path) -> frozenset[Path]:
    """First-party files that a file imports anywhere in it, and folders it finds plug-ins in."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[Path]:
    for node in _without_checks(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] == "tandem" and (found := file_of(name)):
                yield found
                if found.name != "__init__.py" and (package := found.parent / "__init__.py"):
                    yield package
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            if called in {"registry.load", "registry.names", "params.plugin", "plugin"}:
                yield SOURCE / "tandem" / str(node.args[0].value).replace(".", "/")


def _without_checks(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.FunctionDef) and child.name in CHECKS):
            yield child
            yield from _without_checks(child)


def closure(start: Path) -> set[Path]:
    """All first-party code that a stage's module can come to run."""
    todo, seen = [start], set[Path]()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.is_dir():
            if path.name not in ONE_FILE:
                todo += path.rglob("*.py")
        else:
            todo += imported(path)
    return seen


def says_nothing(path: Path) -> bool:
    """Whether a file holds constants and text alone, as a package's `__init__` often does."""
    return path.is_file() and all(
        isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Constant)
        for node in ast.parse(path.read_text()).body
    )


def test_deps_cover_the_import_closure(with_effects: list[Any]) -> None:
    missing = []
    for stage in with_effects:
        command = stage.cmd.split()
        deps = [ROOT / dep.def_path for dep in stage.deps]
        module = SOURCE / "tandem" / "stages" / f"{command[1].replace('-', '_')}.py"
        starts = [module]
        if len(command) > 2:
            starts.append(SOURCE / "tandem" / "tasks" / f"{command[2]}.py")
        method = SOURCE / "tandem" / "compression" / f"{command[-1]}.py"
        starts += [method] if method.is_file() else []
        for needed in set().union(*map(closure, starts)):
            if says_nothing(needed):
                continue
            if needed.name in ONE_FILE and needed.is_dir():
                wanted = [dep for dep in deps if needed in dep.parents]
                if not wanted and not (needed.name == "compression" and "base" in stage.cmd):
                    continue
            elif not any(needed == dep or dep in needed.parents for dep in deps):
                missing.append(f"{stage.name}: {needed.relative_to(ROOT)}")
    assert not missing, "\n".join(sorted(missing))


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


def test_what_helps_any_method_is_a_dependency_of_all(stages: list[Any]) -> None:
    helpers = {
        f"src/tandem/compression/{path.name}"
        for path in (SOURCE / "tandem" / "compression").glob("_*.py")
    }
    for stage in stages:
        if stage.cmd.split()[1] == "compress":
            assert helpers <= {dep.def_path for dep in stage.deps}, stage.addressing


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
            paths.metrics("fetch", task),
            paths.metrics("train", task),
            paths.plots("train", task),
        ):
            assert str(path) in outs


def test_every_stage_says_what_it_is_and_needs(stages: list[Any]) -> None:
    for stage in stages:
        assert stage.desc, stage.addressing
        assert set(stage.meta) == {"threads", "mem_mb", "gpu"}, stage.addressing
        assert stage.deps and stage.outs, stage.addressing
        for out in stage.outs:
            assert not out.persist, f"{out} would stay out of the run cache"


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
    assert dag.is_whole(text) is whole


def test_only_one_head_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held = dag.hold()
    with pytest.raises(StageError, match="another snakemake is running in this folder"):
        dag.hold()
    held.close()
    dag.hold().close()


def test_a_file_that_another_command_writes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    assert all(stage.stale for stage in dag.ask_dvc())
    written = tmp_path / "data/raw/intent"
    held = {"write": {str(written): {"pid": os.getppid(), "cmd": "dvc repro"}}, "read": {}}
    (tmp_path / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    with pytest.raises(StageError, match=f"wait for it: '{written}.*' is busy.*dvc repro"):
        dag.ask_dvc()


def test_what_holds_up_most_goes_first() -> None:
    """As in DVC's graph, an edge runs from a stage to what it depends on."""
    graph = nx.DiGraph([("tune", "train"), ("score", "tune"), ("score", "raw"), ("draw", "raw")])
    graph.add_edges_from([("drawn", "train"), ("list", "raw2"), ("listed", "list")])
    first = dag.priorities(graph)
    order = sorted(graph, key=lambda stage: (-first[stage], stage))
    assert " ".join(order) == "train raw2 raw list tune score listed draw drawn"
