"""Copies of a repository that is created only once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sharing.merge.small import Repository, create

from tandem.sharing.merge import git_setup


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with five stages on `main`; tests must not change it."""
    return create(tmp_path_factory.mktemp("start"), a="1", b="1", c="1", d="1", report="1")


@pytest.fixture
def repository(
    start: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Repository]:
    """A copy of `start`, without merge drivers; its project is the current folder."""
    shutil.copytree(start.root, tmp_path, dirs_exist_ok=True)
    copied = Repository(tmp_path, start.folder)
    monkeypatch.chdir(copied.project)
    yield copied


@pytest.fixture
def set_up(repository: Repository) -> Repository:
    """The repository of the fixture `repository`, with merge drivers set up."""
    git_setup.set_up()
    return repository
