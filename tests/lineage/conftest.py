"""Two small projects: data stages run by DVC, with history; and records up to a published model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines.workspace import Workspace, clone
from lineage import small
from ruamel.yaml import YAML

KEPT = ("code", "fetch", "clean", "split")
UNUSED = ("benchmarks", "docs", "reports", "tests")
SETTINGS = (
    "runtime", "tasks", "methods", "augmentation_models", "preferences",
    "augmentation_ablation", "seeds", "intent",
)  # fmt: skip


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """fetch, clean and split of intent, with the project's own code and pins; not to be changed."""
    workspace = clone(tmp_path_factory.mktemp("chain") / "project")
    workspace.run("tandem", "overlay", "params.smoke.yaml", "params.yaml")
    yaml = YAML()
    for name, key, kept in (("dvc.yaml", "stages", KEPT), ("params.yaml", "tasks", ("intent",))):
        content = yaml.load(workspace.path / name)
        if key == "stages":
            content = {key: {stage: content[key][stage] for stage in kept}}
            described = [f"workflow/code/{stage}" for stage in KEPT if stage != "code"]
            content[key]["code"]["outs"] = described
        else:
            content = {name: content[name] for name in SETTINGS}  # the whole takes long to read
            content |= {key: list(kept), "preferences": {}}
            content["augmentation_models"] = {"intent": content["augmentation_models"]["intent"]}
        yaml.dump(content, workspace.path / name)
    for name in UNUSED:  # each file makes each copy slower
        shutil.rmtree(workspace.path / name, ignore_errors=True)
    workspace.repro()
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        workspace.run("git", "config", key, value)
    commit(workspace, "first")
    workspace.run("git", "gc", "--quiet")
    return workspace


def commit(workspace: Workspace, title: str) -> str:
    """Commit everything; the new commit."""
    workspace.run("git", "add", "--all")
    workspace.run("git", "commit", "--quiet", "--message", title)
    return workspace.run("git", "rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def project(
    chain: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A copy of `chain` to change, which the test stands in."""
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
    """A copy of a project with a published model, which the test stands in and may spoil."""
    root = tmp_path / "published"
    shutil.copytree(_small, root)
    monkeypatch.chdir(root)
    return root
