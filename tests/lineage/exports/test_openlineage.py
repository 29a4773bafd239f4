import importlib
import inspect
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from lineage.small import COMMITTED
from openlineage.client import generated
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.serde import Serde

from tandem.lineage.export import export
from tandem.lineage.graph import read

CLASSES: dict[str, Any] = {
    name: kind
    for module in pkgutil.iter_modules(generated.__path__)
    for name, kind in inspect.getmembers(
        importlib.import_module(f"openlineage.client.generated.{module.name}"), inspect.isclass
    )
}


@pytest.fixture
def events(published: Path) -> list[dict[str, Any]]:
    export("openlineage")
    lines = Path("exports/openlineage/events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def facets(raw: dict[str, Any]) -> dict[str, Any]:
    """Facets as objects of the client's classes, which accept only fields of the specification."""
    facets = {}
    for name, facet in raw.items():
        kind = CLASSES[facet["_schemaURL"].rpartition("/")[2]]
        values = {key: value for key, value in facet.items() if not key.startswith("_")}
        facets[name] = kind(**values, producer=facet["_producer"])
    return facets


def dataset(kind: Any, raw: dict[str, Any]) -> Any:
    below = {key: facets(value) for key, value in raw.items() if key.endswith("acets")}
    return kind(namespace=raw["namespace"], name=raw["name"], **below)


def event_of(raw: dict[str, Any]) -> RunEvent:
    job = raw["job"]
    return RunEvent(
        eventTime=raw["eventTime"],
        producer=raw["producer"],
        eventType=RunState(raw["eventType"]),
        run=Run(raw["run"]["runId"], facets(raw["run"]["facets"])),
        job=Job(job["namespace"], job["name"], facets(job["facets"])),
        inputs=[dataset(InputDataset, entry) for entry in raw["inputs"]],
        outputs=[dataset(OutputDataset, entry) for entry in raw["outputs"]],
    )


def filled(value: Any) -> Any:
    """A value without the empty mappings that the client adds for omitted optional fields."""
    if isinstance(value, dict):
        return {key: filled(part) for key, part in value.items() if part != {}}
    return [filled(part) for part in value] if isinstance(value, list) else value


def test_the_classes_of_the_client_give_the_same_events(events: list[dict[str, Any]]) -> None:
    for raw in events:
        assert filled(Serde.to_dict(event_of(raw))) == raw


def test_one_complete_event_per_stage_in_topological_order(
    events: list[dict[str, Any]],
) -> None:
    assert [event["job"]["name"] for event in events] == [*read().records]
    assert {event["eventType"] for event in events} == {"COMPLETE"}
    assert {event["eventTime"] for event in events} == {COMMITTED}
    assert len({event["run"]["runId"] for event in events}) == len(events)


def test_datasets_connect_the_stages(events: list[dict[str, Any]]) -> None:
    by_name = {event["job"]["name"]: event for event in events}

    def versions(stage: str, side: str) -> dict[str, str]:
        return {
            entry["name"]: entry["facets"]["version"]["datasetVersion"]
            for entry in by_name[stage][side]
        }

    made = versions("train@intent", "outputs")
    assert made.items() <= versions("evaluate@intent", "inputs").items()
    (source,) = (name for name in versions("fetch@intent", "inputs") if name.startswith("pkg:"))
    assert source.startswith("pkg:pypi/home-assistant-intents@")
