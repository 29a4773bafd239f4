"""The real packages, through the download cache, as params.yaml pins them."""

import pytest

from tandem.core import params
from tandem.core.schema import PluginParams
from tandem.stages import fetch


@pytest.fixture(scope="session")
def sources() -> dict[str, PluginParams]:
    """Each task's source, as the default params have it."""
    tasks = ("generation", "sentiment", "intent", "translation")
    return {task: params.load(fetch.Params, task, "fetch").source for task in tasks}
