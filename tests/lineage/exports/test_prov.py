from pathlib import Path

import pytest
from prov.model import (
    PROV,
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvGeneration,
    ProvMembership,
    ProvRecord,
    ProvUsage,
)

from tandem.lineage.export import export
from tandem.lineage.graph import Graph, read


@pytest.fixture
def document(published: Path) -> ProvDocument:
    export("prov")
    document = ProvDocument.deserialize("exports/prov/lineage.json")
    assert isinstance(document, ProvDocument)
    return document


@pytest.fixture
def graph(document: ProvDocument) -> Graph:
    return read()


def labels(document: ProvDocument, kind: type[ProvRecord]) -> set[str]:
    return {str(record.label) for record in document.get_records(kind)}


def test_prov_loads_every_stage_artifact_and_package(document: ProvDocument, graph: Graph) -> None:
    records = graph.records.values()
    paths = {path for record in records for path in (*record.inputs, *record.outputs)}
    sources = {source["name"] for record in records for source in record.sources}
    packages = {" ".join(pair) for record in records for pair in record.packages.items()}
    assert labels(document, ProvActivity) == {*graph.records}
    assert labels(document, ProvEntity) == paths | sources
    assert labels(document, ProvAgent) == packages | {"tandem 0.1.0"}


def test_prov_has_every_relation(document: ProvDocument, graph: Graph) -> None:
    records = graph.records.values()

    def count(kind: type[ProvRecord]) -> int:
        return len([*document.get_records(kind)])

    assert count(ProvGeneration) == sum(len(record.outputs) for record in records)
    assert count(ProvUsage) == sum(len(r.inputs) + len(r.sources) for r in records)
    assert count(ProvAssociation) == sum(1 + len(record.packages) for record in records)
    pairs = sum(
        len(record.outputs)
        * (
            sum(not path.startswith(("src/", "workflow/")) for path in record.inputs)
            + len(record.sources)
        )
        for record in records
    )
    assert count(ProvDerivation) == pairs
    members = {str(relation.args[1]) for relation in document.get_records(ProvMembership)}
    assert members == {
        f"artifact:reports/details/{name}"
        for name in ("fetch/intent.json", "evaluate/intent-base.json")
    }


def test_prov_has_the_digest_of_an_artifact(document: ProvDocument, graph: Graph) -> None:
    (model,) = document.get_record("artifact:models/intent/base")
    made = graph.expected_digest("models/intent/base")
    assert made is not None
    attributes = {str(name): value for name, value in model.attributes}
    assert attributes["tandem:sha256"] == made.sha256
    assert attributes["prov:type"] == PROV["Collection"]
