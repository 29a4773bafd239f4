import pytest

from tandem.core import registry, task
from tandem.core.errors import UnknownName


def test_plugins_are_files_without_an_underscore() -> None:
    assert {"generation", "intent", "sentiment", "translation"} <= set(registry.names("tasks"))
    assert all(not name.startswith("_") for name in registry.names("metrics"))


def test_an_unknown_name_suggests_the_closest_one() -> None:
    with pytest.raises(UnknownName, match=r"unknown task 'sentimet'\. Did you mean 'sentiment'\?"):
        task.load("sentimet")
