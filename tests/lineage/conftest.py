"""Two small projects: one run by DVC up to the stage `split`, one with records up to `report`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from lineage import small
from ruamel.yaml import YAML

RUN_STAGES = ("code", "fetch", "clean", "split")
UNUSED = ("benchmarks", "docs", "reports", "tests")
PARAMS = (
    "runtime", "tasks", "methods", "augmentation_models", "preferences",
    "augmentation_ablation", "seeds", "intent",
)  # fmt: skip


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project in which DVC ran the stages `fetch`, `clean` and `split` of the task `intent`.

    Tests must not change the project.
    """
    workspace = clone(tmp_path_factory.mktemp("chain") / "project")
    workspace.run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    yaml = YAML()
    for name, key, values in (
        ("dvc.yaml", "stages", RUN_STAGES),
        ("params.yaml", "tasks", ("intent",)),
    ):
        content = yaml.load(workspace.path / name)
        if key == "stages":
            content = {key: {stage: content[key][stage] for stage in values}}
            code = [f"workflow/code/{stage}" for stage in RUN_STAGES if stage != "code"]
            content[key]["code"]["outs"] = code
        else:
            # without the params of other tasks, the file is read faster
            content = {name: content[name] for name in PARAMS}
            content |= {key: list(values), "preferences": {}}
            content["augmentation_models"] = {"intent": content["augmentation_models"]["intent"]}
        yaml.dump(content, workspace.path / name)
    for name in UNUSED:  # the fixture `project` copies all other files for each test
        shutil.rmtree(workspace.path / name, ignore_errors=True)
    workspace.repro()
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        workspace.run("git", "config", key, value)
    commit(workspace, "first")
    workspace.run("git", "gc", "--quiet")
    return workspace


def commit(workspace: Workspace, title: str) -> str:
    """Commit everything; return the hash of the new commit."""
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message", title)
    return workspace.run("git", "rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def project(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy of `chain` that a test may change; it is the current folder."""
    path = tmp_path / "project"
    shutil.copytree(chain.path, path)
    monkeypatch.chdir(path)
    env = {key: value.replace(str(chain.path), str(path)) for key, value in chain.env.items()}
    yield Workspace(path, env)


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    small.make(root)
    return root


@pytest.fixture
def published(_small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project of small.py that a test may change; it is the current folder."""
    root = tmp_path / "published"
    shutil.copytree(_small, root)
    monkeypatch.chdir(root)
    return root
