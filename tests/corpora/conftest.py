"""The real packages as pinned in params.yaml, from the download cache."""

import pytest

from tandem.core import params
from tandem.core.schema import PluginParams
from tandem.stages import fetch


@pytest.fixture(scope="session")
def sources() -> dict[str, PluginParams]:
    """Task → its source in the default params."""
    tasks = ("generation", "sentiment", "intent", "translation")
    return {task: params.load(fetch.Params, task, "fetch").source for task in tasks}
