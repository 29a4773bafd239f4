import pytest

from tandem.core import registry, task
from tandem.core.errors import UnknownName


def test_names_are_files_and_helpers_are_not() -> None:
    assert {"generation", "intent", "sentiment", "translation"} <= set(registry.names("tasks"))
    assert all(not name.startswith("_") for name in registry.names("metrics"))


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown task 'sentimet'\. Did you mean 'sentiment'\?"):
        task.load("sentimet")
