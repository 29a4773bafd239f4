import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lineage.small import COMMITTED
from rocrate.rocrate import ROCrate

from tandem.core.errors import LineageError
from tandem.core.provenance import file_digest
from tandem.lineage.export import export
from tandem.lineage.graph import read


@pytest.fixture
def crate(published: Path) -> ROCrate:
    export("ro-crate")
    return ROCrate(".")


def ids(value: Any) -> Iterator[str]:
    """All ids that are referenced anywhere in a value."""
    if isinstance(value, dict):
        if {*value} == {"@id"}:
            yield value["@id"]
        for part in value.values():
            yield from ids(part)
    elif isinstance(value, list):
        for part in value:
            yield from ids(part)


def test_rocrate_loads_the_workflow_and_its_profiles(crate: ROCrate) -> None:
    assert crate.mainEntity.id == "dvc.yaml"
    assert "ComputationalWorkflow" in crate.mainEntity["@type"]
    assert crate.mainEntity["programmingLanguage"]["name"] == "DVC pipeline"
    assert crate.root_dataset["datePublished"] == COMMITTED
    assert {entity.id for entity in crate.root_dataset["conformsTo"]} == {
        "https://w3id.org/ro/wfrun/process/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }


def test_one_action_per_stage_and_one_of_the_workflow(crate: ROCrate) -> None:
    actions = {action["name"]: action for action in crate.get_by_type("CreateAction")}
    whole = actions.pop("The run of the whole pipeline")
    assert {*actions} == {*read().records}
    assert whole["instrument"] is crate.mainEntity
    train = actions["train@intent"]
    assert {"data/split/intent/", "models/intent/pretrained/"} <= {e.id for e in train["object"]}
    assert [entity.id for entity in train["result"]] == ["models/intent/base/"]
    assert "torch" in {entity["name"] for entity in train["instrument"]["softwareRequirements"]}
    assert {"models/intent/base/", "reports/summary.json"} <= {e.id for e in whole["result"]}
    fetched = {entity.id for entity in whole["object"]}
    assert any(name.startswith("pkg:pypi/home-assistant-intents@") for name in fetched)
    assert "src/tandem/tasks/intent.py" in fetched
    assert not any(name.startswith(("data/", "models/", "reports/")) for name in fetched)


def test_every_file_is_there_with_its_digest(crate: ROCrate) -> None:
    files = crate.get_by_type("File")
    assert {"reports/lineage/train/intent.json", "models/intent/base/model.safetensors"} <= {
        entity.id for entity in files
    }
    for entity in files:
        assert entity.get("sha256", file_digest(Path(entity.id)).sha256) == (
            file_digest(Path(entity.id)).sha256
        )


def test_every_reference_has_an_entity(crate: ROCrate) -> None:
    entities = json.loads(Path("ro-crate-metadata.json").read_text())["@graph"]
    described = {entity["@id"] for entity in entities}
    assert len(described) == len(entities)
    assert {*ids(entities)} - described == {"https://w3id.org/ro/crate/1.1"}


def test_rocrate_can_write_the_crate_again(crate: ROCrate, tmp_path: Path) -> None:
    crate.write(tmp_path / "copy")
    assert len(ROCrate(tmp_path / "copy").get_entities()) == len(crate.get_entities())


def test_a_crate_must_be_in_the_folder_that_it_describes(published: Path) -> None:
    with pytest.raises(LineageError, match="omit --to"):
        export("ro-crate", "elsewhere")
